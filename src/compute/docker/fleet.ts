import type Docker from 'dockerode'
import { ComputeError, type HostReport } from '../../domain/instances/compute.ts'
import { type Engine, openEngine } from './engine.ts'
import { isStatus } from './errors.ts'
import type { HostAddress } from './host-address.ts'
import { findImage } from './images.ts'
import { createHostMemory, type HostMemory } from './memory/host-memory.ts'
import { isRootOfHost, runInContainer, runLocally } from './memory/run-on-host.ts'
import { labels, type Names } from './names.ts'
import { choosePlace } from './placement.ts'

/** One host: its engine, and what can be done about its memory. */
export interface DockerHost {
  engine: Engine
  memory: HostMemory
  cgroupVersion(): Promise<'1' | '2'>
}

/** What is remembered of hosts beside what they tell themselves; see src/domain/hosts. */
export interface PlacementRecords {
  findDraining(): Promise<Set<string>>
  findPlace(slotId: string): Promise<string | undefined>
  place(slotId: string, host: string): Promise<string>
}

export interface FleetOptions {
  hosts: HostAddress[]
  certificatesDirectory?: string | undefined
  reefId: string
  names: Names
  /** Looks at the memory of hosts that this process is not root of, from inside a container. */
  helperImage: string
  /** A host without it gets no slot while another has it. */
  image: string
  records: PlacementRecords
}

/** Until a placed slot shows in its host's memory. */
const settleMilliseconds = 30_000

/** The hosts of the driver, and which one a slot is on. */
export function openFleet(options: FleetOptions) {
  const hosts = options.hosts.map((address) => openHost(address, options))
  let placements: { host: string; at: number }[] = []

  const named = (name: unknown): DockerHost => {
    const host = hosts.find((candidate) => candidate.engine.host.name === name)
    if (host) return host
    throw new ComputeError(
      'unavailable',
      `The slot lies on the Docker host ${String(name)}, which REEF_DOCKER_HOSTS does not name. Name it there again.`,
    )
  }

  /** Where the slot is already, else the best host for a new one. */
  const place = async (slotId: string): Promise<DockerHost> => {
    const known = await options.records.findPlace(slotId)
    if (known !== undefined) return named(known)
    placements = placements.filter((one) => one.at > Date.now() - settleMilliseconds)
    const draining = await options.records.findDraining()
    const candidates = await Promise.all(
      hosts.map(async (host) => ({
        ...(await stateOf(host, draining, hosts.length > 1 ? options.image : undefined)),
        justPlaced: placements.filter((one) => one.host === host.engine.host.name).length,
      })),
    )
    const name = choosePlace(candidates)
    placements.push({ host: name, at: Date.now() })
    return named(await options.records.place(slotId, name))
  }

  const report = async (host: DockerHost, draining: Set<string>): Promise<HostReport> => {
    const { name } = host.engine.host
    try {
      const [facts, containers] = await Promise.all([
        host.memory.facts(),
        host.engine.docker.listContainers({
          filters: { label: [...options.names.own, labels.slot], status: ['running', 'paused'] },
        }),
      ])
      const uses = await host.memory.use(containers.map((container) => container.Id))
      return {
        name,
        state: draining.has(name) ? 'draining' : 'active',
        memoryTotalBytes: facts.memoryTotalBytes,
        memoryAvailableBytes: facts.memoryAvailableBytes,
        swapTotalBytes: facts.swapTotalBytes,
        swapFreeBytes: facts.swapFreeBytes,
        zramTotalBytes: facts.zramTotalBytes,
        diskTotalBytes: facts.diskTotalBytes,
        diskFreeBytes: facts.diskFreeBytes,
        cpus: facts.cpus,
        slots: containers.map((container) => ({
          slotId: container.Labels[labels.slot] ?? '',
          residentBytes: uses.get(container.Id)?.residentBytes ?? 0,
          swappedBytes: uses.get(container.Id)?.swappedBytes ?? 0,
          paused: container.State === 'paused',
        })),
      }
    } catch {
      return { ...nothing, name, state: 'unreachable' }
    }
  }

  return {
    hosts,
    named,
    place,
    reports: async (): Promise<HostReport[]> => {
      const draining = await options.records.findDraining()
      return Promise.all(hosts.map((host) => report(host, draining)))
    },
    inspect: (host: DockerHost, slotId: string): Promise<Docker.ContainerInspectInfo | undefined> =>
      host.engine.docker
        .getContainer(options.names.slot(slotId))
        .inspect()
        .catch((error: unknown) => {
          if (isStatus(error, 404)) return undefined
          throw error
        }),
  }
}

const nothing = {
  memoryTotalBytes: 0,
  memoryAvailableBytes: 0,
  swapTotalBytes: 0,
  swapFreeBytes: 0,
  zramTotalBytes: 0,
  diskTotalBytes: 0,
  diskFreeBytes: 0,
  cpus: 0,
  slots: [],
}

/** With one host there is nothing to compare, so its memory is not asked for. */
async function stateOf(host: DockerHost, draining: Set<string>, image: string | undefined) {
  const { name } = host.engine.host
  if (draining.has(name)) return { name, state: 'draining' as const, memoryAvailableBytes: 0 }
  if (image === undefined) return { name, state: 'active' as const, memoryAvailableBytes: 0 }
  return Promise.all([host.memory.facts(), findImage(host.engine, image)]).then(
    ([{ memoryAvailableBytes }, found]) => ({
      name,
      state: found ? ('active' as const) : ('unreachable' as const),
      memoryAvailableBytes,
    }),
    () => ({ name, state: 'unreachable' as const, memoryAvailableBytes: 0 }),
  )
}

export function openHost(
  address: HostAddress,
  options: Pick<FleetOptions, 'certificatesDirectory' | 'reefId' | 'helperImage'>,
): DockerHost {
  const engine = openEngine(address, options.certificatesDirectory)
  const run =
    address.local && isRootOfHost()
      ? runLocally
      : runInContainer(engine.docker, options.helperImage, {
          [labels.reef]: options.reefId,
          [labels.role]: 'helper',
        })
  let info: Promise<EngineInfo> | undefined
  const engineInfo = (): Promise<EngineInfo> => {
    info ??= engine.docker.info()
    info.catch(() => {
      info = undefined
    })
    return info
  }
  return {
    engine,
    memory: createHostMemory(run, async () => (await engineInfo()).DockerRootDir ?? ''),
    cgroupVersion: async () => ((await engineInfo()).CgroupVersion === '2' ? '2' : '1'),
  }
}

/** What of an engine never changes while it runs. */
interface EngineInfo {
  DockerRootDir?: string
  CgroupVersion?: string
}
