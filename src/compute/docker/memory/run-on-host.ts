import { execFile } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import type { RunOnHost } from './host-memory.ts'

const execute = promisify(execFile)

/** In this process's own shell; only as root of the host itself. */
export const runLocally: RunOnHost = async (script, options = {}) => {
  const { stdout } = await execute('/bin/sh', ['-c', script], options)
  return stdout
}

/** The kernel's own number for the namespace of the host's processes; a container has another. */
const hostProcesses = 'pid:[4026531836]'

/** Whether this process is root of the machine that the local engine runs on, and not of a container there. */
export function isRootOfHost(): boolean {
  try {
    return process.getuid?.() === 0 && readlinkSync('/proc/self/ns/pid') === hostProcesses
  } catch {
    return false
  }
}

/**
 * In a container of its own that is removed right after: for engines of other machines, and for a Reef that is not root.
 * It has no network and no capability but to write root's files below /sys.
 */
export function runInContainer(docker: Docker, image: string, labels: Record<string, string>): RunOnHost {
  return async (script, { signal } = {}) => {
    signal?.throwIfAborted()
    const container = await docker.createContainer({
      Image: image,
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: [script],
      User: '0:0',
      Labels: labels,
      // Its types lack CgroupnsMode, which the engine has known since API 1.41.
      HostConfig: {
        CgroupnsMode: 'host',
        Binds: ['/sys:/sys'],
        CapDrop: ['ALL'],
        CapAdd: ['DAC_OVERRIDE'],
        SecurityOpt: ['no-new-privileges', 'apparmor=unconfined'],
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        Memory: 64 * 1024 * 1024,
        PidsLimit: 64,
      } as Docker.HostConfig,
    })
    const cut = (): void => void container.kill().catch(() => undefined)
    try {
      signal?.addEventListener('abort', cut)
      const stream = await container.attach({ stream: true, stdout: true, stderr: true })
      const [stdout, stderr] = [gather(), gather()]
      container.modem.demuxStream(stream, stdout.stream, stderr.stream)
      await container.start()
      const { StatusCode: status } = (await container.wait()) as { StatusCode: number }
      if (status !== 0) throw new Error(stderr.text() || `The script ended with ${status}.`)
      return stdout.text()
    } finally {
      signal?.removeEventListener('abort', cut)
      await container.remove({ force: true }).catch(() => undefined)
    }
  }
}

function gather() {
  const stream = new PassThrough()
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  return { stream, text: () => Buffer.concat(chunks).toString().trim() }
}
