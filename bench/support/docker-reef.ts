import type { z } from 'zod'
import type { overviewSchema } from '../../src/http/schemas/admin.ts'
import { signUp, type TestClient } from '../../test/support/client.ts'
import { readReefId, removeOwn } from '../../test/support/docker.ts'
import { priceModel } from '../../test/support/prices.ts'
import { type ReefProcess, startReefProcess } from '../../test/support/reef-process.ts'
import { readFirstToken, startInstantModel } from './cold-openclaw.ts'

export type Overview = z.infer<typeof overviewSchema>

/** A Reef on the Docker driver whose model answers at once, and its operator. */
export interface DockerReef {
  readonly process: ReefProcess
  /** Signed up first, so they may look at the hosts. */
  readonly operator: TestClient
  readonly modelUrl: string
  /** What all slots of all hosts hold, in bytes. */
  memory(): Promise<{ residentBytes: number; swappedBytes: number; zramTotalBytes: number }>
  /** Stops it and removes its machines. */
  close(): Promise<void>
}

export async function startDockerReef(environment: Record<string, string>): Promise<DockerReef> {
  const model = await startInstantModel()
  const process = await startReefProcess({
    REEF_DRIVER: 'docker',
    OPENAI_API_KEY: 'bench',
    OPENAI_BASE_URL: model.url,
    REEF_MODEL: 'openai/instant',
    REEF_BACKUP_CHECKPOINTS: '0',
    REEF_IDLE_SUSPEND: 'off',
    REEF_IDLE_FREEZE: 'off',
    REEF_IDLE_DISK: 'off',
    REEF_IDLE_STOP: 'off',
    REEF_STOP_INSTANCES_ON_EXIT: '0',
    ...environment,
  })
  const operator = await signUp(process.url, process.proxyUrl, 'operator@example.com')
  await priceModel(operator, 'openai/instant')
  return {
    process,
    operator,
    modelUrl: model.url,
    memory: async () => {
      const { hosts } = await operator.call<Overview>('GET', '/api/admin/overview')
      const sum = (bytes: (host: Overview['hosts'][number]) => number) =>
        hosts.reduce((total, host) => total + bytes(host), 0)
      return {
        residentBytes: sum((host) => host.residentBytes),
        swappedBytes: sum((host) => host.swappedBytes),
        zramTotalBytes: sum((host) => host.zramTotalBytes),
      }
    },
    close: async () => {
      const reefId = await readReefId(process.dataDirectory)
      await process.close()
      await removeOwn(reefId)
      model.server.close()
    },
  }
}

/** Resolves once as many slots of the pool wait for somebody. */
export async function untilPoolHas(url: string, count: number): Promise<void> {
  await until(`${count} slots in the pool`, 300_000, async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const available = /reef_slots\{state="available"\} (\d+)/.exec(metrics)?.[1]
    return Number(available ?? 0) >= count
  })
}

export async function until(
  what: string,
  millisecondsMax: number,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + millisecondsMax
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within ${millisecondsMax / 1000} s: ${what}`)
    await new Promise((done) => setTimeout(done, 100))
  }
}

/** Milliseconds from sending a chat request to the first word of its answer. */
export async function measureFirstWord(person: TestClient): Promise<number> {
  const startedAt = performance.now()
  const response = await person.raw('POST', '/v1/chat/completions', {
    model: 'openclaw',
    stream: true,
    messages: [{ role: 'user', content: 'hello' }],
  })
  if (!response.ok || !response.body) throw new Error(`chat: ${response.status} ${await response.text()}`)
  await readFirstToken(response.body)
  return performance.now() - startedAt
}
