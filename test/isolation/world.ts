import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { PolicySlot } from '../../gate/protocol.ts'
import { createDockerDriver } from '../../src/compute/docker/driver.ts'
import { parseHosts } from '../../src/compute/docker/host-address.ts'
import type { Handle } from '../../src/domain/instances/compute.ts'
import { newId } from '../../src/ids.ts'
import { docker, dockerOrNot, placementsInMemory } from '../support/docker.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import type { Attempt } from './attempts.ts'
import { startControl, type TestControl } from './control.ts'
import { buildAttackerImage, buildGateImage } from './images.ts'

/** What a canary wrote down. */
export interface Seen {
  kind: string
  port?: number
  from?: string
  hex?: string
  host?: string
  url?: string
}

/** Instances and their gate as the Docker driver makes them, and around them whatever they must not reach. */
export interface World {
  control: TestControl
  gateName: string
  slots: PolicySlot[]
  /** A port that every canary listens on, the host's too. */
  canaryPort: number
  /** On the gate's outer network, as the internet is: one that is allowed, and one that never is. */
  outside: string
  forbidden: string
  /** Every address with a canary. */
  canaryAddresses: string[]
  containerOf(slot: PolicySlot): string
  egress(...domains: string[]): PolicySlot['egress']
  /** Runs attempts inside an instance and gives what came of each. */
  attack(slot: PolicySlot, user: string, attempts: Attempt[]): Promise<Record<string, string>>
  /** The same from a container that nothing holds back, to show that the canaries sing. */
  attackFreely(attempts: Attempt[]): Promise<Record<string, string>>
  /** All that any canary has written down, but for what the allowed server was rightly asked. */
  seen(): Promise<Seen[]>
  seenOutside(): Promise<Seen[]>
  ensure(slot: PolicySlot): Promise<Handle>
  close(): Promise<void>
}

export const allowedName = 'allowed.test'
export const otherAllowedName = 'also-allowed.test'
export const forbiddenName = 'forbidden.test'
export const privateNames = ['metadata.test', 'loopback.test', 'host.test', 'mapped.test', 'neighbour.test']
export const metadata = '169.254.169.254'

const canaryProgram = fileURLToPath(new URL('./canary.ts', import.meta.url))

/** `range` must differ between files that run at the same time. */
export async function openWorld(options: { range: string; instances: number }): Promise<World> {
  const reefId = `iso${Date.now().toString(36)}`
  const gateName = `reef-${reefId}-gate`
  const mark = ['--label', 'reef.test=1', '--label', `reef.id=${reefId}`]
  const canaryPort = await freePort()
  const control = await startControl()
  const image = await buildAttackerImage()
  const driverOptions = {
    reefId,
    hosts: parseHosts('local=unix:///var/run/docker.sock'),
    network: options.range,
    image,
    gateImage: image,
    gateToken: () => 'token of the test',
    controlUrl: `http://127.0.0.1:${control.port}`,
    records: placementsInMemory(),
  }
  const [bridge = ''] = (await createDockerDriver(driverOptions).listenAddresses?.()) ?? []
  const outerAt = (offset: number): string =>
    bridge.replace(/\d+$/, (last) => String(Number(last) - 1 + offset))
  const outside = outerAt(10)
  const forbidden = outerAt(11)
  const hosts = [
    `${outside} ${allowedName} ${otherAllowedName}`,
    `${forbidden} ${forbiddenName} x${allowedName}`,
    `${metadata} metadata.test`,
    '127.0.0.1 loopback.test localhost',
    `${bridge} host.test`,
    `::ffff:${forbidden} mapped.test`,
    `${forbidden} neighbour.test`,
  ].join('\n')
  const gateImage = await buildGateImage(
    { REEF_GATE_PRIVATE_ALLOWED: `${outside}/32`, REEF_GATE_HOSTS_FILE: '/opt/reef/hosts' },
    hosts,
  )
  const driver = createDockerDriver({ ...driverOptions, gateImage })
  const specVersion = (await driver.specVersion?.()) ?? ''
  const ensure = (slotId: string): Promise<Handle> =>
    driver.ensure(
      {
        slotId,
        specVersion,
        linkUrl: `ws://127.0.0.1:${control.port}/link`,
        bootstrapToken: null,
        limits: { memoryMebibytes: 512, cpus: 1, pids: 512 },
      },
      null,
    )
  const slots: PolicySlot[] = []
  for (let index = 0; index < options.instances; index++) {
    const handle = await ensure(newId())
    slots.push({
      slotId: String(handle.slotId),
      gateAddress: String(handle.gateAddress),
      instanceAddress: String(handle.instanceAddress),
      egress: { mode: 'none', rules: [] },
    })
  }

  for (const { slotId } of slots) await refuseForeignSources(`reef-${reefId}-${slotId}`)

  const otherNetwork = `reef-test-${reefId}-other`
  await docker('network', 'create', ...mark, otherNetwork)
  const canaries: string[] = []
  const startCanary = async (network: string[], user: string, argv: string[]): Promise<string> => {
    const program = ['node', '/opt/reef/isolation/canary.ts', ...argv]
    const id = await docker('run', '--detach', ...mark, ...network, '--user', user, image, ...program)
    canaries.push(id)
    return id
  }
  const everything = ['0.0.0.0', `22,80,443,8080,${canaryPort}`, `53,443,${canaryPort}`]
  const outer = `reef-${reefId}-outer`
  await startCanary(['--network', outer, '--ip', forbidden], '0', everything)
  const other = await startCanary(['--network', otherNetwork], '0', everything)
  const otherAddress = await docker(
    ...['inspect', '--format', `{{(index .NetworkSettings.Networks "${otherNetwork}").IPAddress}}`, other],
  )
  // Where the gate itself could be led to: its own loopback, and metadata as a cloud's machines have it.
  const gatePid = await docker('inspect', '--format', '{{.State.Pid}}', gateName)
  await run('nsenter', ['-t', gatePid, '-n', 'ip', 'addr', 'add', `${metadata}/32`, 'dev', 'lo'])
  for (const address of [metadata, '127.0.0.1'])
    await startCanary(['--network', `container:${gateName}`], '0', [
      address,
      `80,443,${canaryPort}`,
      `443,${canaryPort}`,
    ])
  const outsideId = await docker(
    ...['run', '--detach', ...mark, '--network', outer, '--ip', outside, '--user', '0', image],
    ...[
      'node',
      '/opt/reef/isolation/canary.ts',
      '0.0.0.0',
      `22,443,8080,${canaryPort}`,
      `53,443,${canaryPort}`,
      '80',
    ],
  )
  const onHost = startOnHost(['0.0.0.0', String(canaryPort), `53,${canaryPort}`])
  const parse = (text: string): Seen[] =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Seen)
  const seenBy = async (id: string): Promise<Seen[]> => parse(await docker('logs', id))
  for (const id of [...canaries, outsideId])
    await eventually(async () => {
      if (!(await seenBy(id)).some((one) => one.kind === 'listening'))
        throw new Error('a canary is not up yet')
    }, 20_000)
  const isArrival = (one: Seen): boolean => one.kind !== 'listening' && one.kind !== 'problem'
  const attackIn = async (argv: string[], attempts: Attempt[]): Promise<Record<string, string>> =>
    JSON.parse(
      await run('docker', [...argv, 'node', '/opt/reef/isolation/attacker.ts'], JSON.stringify(attempts)),
    ) as Record<string, string>
  const containerOf = (slot: PolicySlot): string => `reef-${reefId}-${slot.slotId}`
  const hostAddresses = Object.entries(networkInterfaces())
    .filter(([name]) => name === 'eth0' || name === 'docker0')
    .flatMap(([, list]) => list ?? [])
    .filter((one) => one.family === 'IPv4')
    .map((one) => one.address)

  return {
    control,
    gateName,
    slots,
    canaryPort,
    outside,
    forbidden,
    canaryAddresses: [...hostAddresses, bridge, forbidden, otherAddress],
    containerOf,
    egress: (...domains) => ({ mode: 'allow_list', rules: domains.map((domain) => ({ domain, ports: [] })) }),
    attack: (slot, user, attempts) => attackIn(['exec', '-i', '--user', user, containerOf(slot)], attempts),
    attackFreely: (attempts) =>
      attackIn(['run', '--rm', '-i', ...mark, '--network', outer, '--user', '0', image], attempts),
    seen: async () => {
      const lists = await Promise.all(canaries.map(seenBy))
      return [...lists.flat(), ...parse(onHost.text())].filter(isArrival)
    },
    seenOutside: async () => (await seenBy(outsideId)).filter(isArrival),
    ensure: (slot) => ensure(slot.slotId),
    close: async () => {
      onHost.end()
      await control.close()
      await removeOwn(reefId)
      // It holds the addresses of this world, so no other one can use it.
      await dockerOrNot('image', 'rm', gateImage)
    },
  }
}

/**
 * As docs/explanation/network.md tells operators to have it for all bridges. Without it a datagram to 255.255.255.255
 * still reaches programs of the host that listen for such, though the host has no address on the network.
 */
async function refuseForeignSources(network: string): Promise<void> {
  const id = await docker('network', 'inspect', '--format', '{{.Id}}', network)
  await writeFile(`/proc/sys/net/ipv4/conf/br-${id.slice(0, 12)}/rp_filter`, '1')
}

/** A canary on the machine itself, at all of its addresses. */
function startOnHost(argv: string[]): { text(): string; end(): void } {
  const child = spawn(process.execPath, [canaryProgram, ...argv], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  return { text: () => text.slice(0, text.lastIndexOf('\n') + 1), end: () => child.kill() }
}

function run(command: string, argv: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, argv, { stdio: ['pipe', 'pipe', 'pipe'] })
    let out = ''
    let problem = ''
    child.stdout.on('data', (chunk) => {
      out += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      problem += String(chunk)
    })
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${command} ${argv[0]}: ${problem}`)),
    )
    child.stdin.end(input)
  })
}

async function removeOwn(reefId: string): Promise<void> {
  const filter = ['--filter', `label=reef.id=${reefId}`]
  const lines = async (...argv: string[]) => (await docker(...argv, ...filter)).split('\n').filter(Boolean)
  for (const id of await lines('ps', '--all', '--quiet')) await dockerOrNot('rm', '--force', '--volumes', id)
  for (const id of await lines('network', 'ls', '--quiet')) await dockerOrNot('network', 'rm', id)
  for (const id of await lines('volume', 'ls', '--quiet')) await dockerOrNot('volume', 'rm', '--force', id)
}
