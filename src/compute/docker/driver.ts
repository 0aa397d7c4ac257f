import {
  type ComputeDriver,
  ComputeError,
  type Handle,
  type ListedSlot,
  type SlotSpec,
} from '../../domain/instances/compute.ts'
import { isId } from '../../ids.ts'
import { isStatus } from './errors.ts'
import { type DockerHost, type FleetOptions, openFleet } from './fleet.ts'
import { createGates } from './gate.ts'
import { findImage, imageOf, missingImage, specVersionOf } from './images.ts'
import { withLock } from './locks.ts'
import { runMachine, stopMachine, unlessAbsent } from './machine.ts'
import { labels, namesOf } from './names.ts'
import { ensureOuterNetwork, ensureSlotNetwork, removeNetwork } from './networks.ts'
import { observeAbsence, observeContainer } from './observe.ts'
import { checkHost } from './preflight.ts'
import { createPulls } from './pulls.ts'
import { addressesIn, parseRange, type SlotAddresses } from './subnets.ts'

export interface DockerDriverOptions
  extends Pick<FleetOptions, 'hosts' | 'certificatesDirectory' | 'records'> {
  /** Marks what is this Reef's. Not a secret; stable over restarts. */
  reefId: string
  image: string
  gateImage: string
  /** Range that networks are cut from. */
  network: string
  gateToken(hostName: string): string
  /** Of the API, as other machines reach it. */
  controlUrl: string
}

/** Longer than OpenClaw's own shutdown budget of 325 s. */
const stopGraceSecondsMax = 330

/** Slots as hardened containers, each with a volume and a network of its own, behind one gate per host. */
export function createDockerDriver(options: DockerDriverOptions): ComputeDriver {
  const { reefId } = options
  const names = namesOf(reefId)
  const networks = { reefId, names, range: parseRange(options.network) }
  const fleet = openFleet({ ...options, names, helperImage: options.gateImage })
  const pulls = createPulls()
  const gates = createGates({
    ...networks,
    image: options.gateImage,
    token: options.gateToken,
    controlUrl: options.controlUrl,
  })

  /** Works on the slot of a handle; a failure names its host. */
  const on = <T>(handle: Handle, work: (host: DockerHost, slotId: string) => Promise<T>): Promise<T> => {
    const host = fleet.named(handle.host)
    return host.engine.use(() => work(host, String(handle.slotId)))
  }

  const locked = <T>(host: DockerHost, slotId: string, work: () => Promise<T>): Promise<T> =>
    withLock(`${host.engine.host.url} ${slotId}`, work)

  const ensure = async (spec: SlotSpec, previous: Handle | null): Promise<Handle> => {
    if (!isId(spec.slotId))
      throw new ComputeError('rejected', `${JSON.stringify(spec.slotId)} is not a slot id.`)
    const host = previous ? fleet.named(previous.host) : await fleet.place(spec.slotId)
    const { engine } = host
    return engine.use(() =>
      locked(host, spec.slotId, async () => {
        const addresses = await ensureSlotNetwork(engine, networks, spec.slotId)
        const handle = handleOf(host, spec.slotId, addresses)
        const reference = imageOf(spec.specVersion, options.image)
        const image = await findImage(engine, reference)
        const found = await fleet.inspect(host, spec.slotId)
        if (!image && !found) {
          // There is nothing to start from; `observe` says so, and whether it is on its way.
          pulls.start(engine, reference, async () => {
            const name = names.slot(spec.slotId)
            const stillWanted = await engine.docker.listNetworks({ filters: { name: [name] } })
            if (stillWanted.length > 0) await ensure(spec, handle)
          })
          return handle
        }
        await gates.ensure(engine)
        const name = names.slot(spec.slotId)
        await runMachine({ host, reefId, name, spec, addresses, imageId: image?.id }, found)
        return handle
      }),
    )
  }

  const remove = (handle: Handle): Promise<void> =>
    on(handle, (host, slotId) =>
      locked(host, slotId, async () => {
        const name = names.slot(slotId)
        const { docker } = host.engine
        await docker.getContainer(name).remove({ force: true }).catch(unlessAbsent)
        await removeNetwork(host.engine, name)
        // Last: a removal that is cut short leaves a slot that `list()` still finds.
        await docker.getVolume(name).remove().catch(unlessAbsent)
      }),
    )

  const listHost = async (host: DockerHost): Promise<ListedSlot[]> => {
    const filters = { label: [...names.own, labels.slot] }
    const { docker } = host.engine
    const [containers, volumes, slotNetworks] = await Promise.all([
      docker.listContainers({ all: true, filters }),
      docker.listVolumes({ filters }),
      docker.listNetworks({ filters }),
    ])
    // Lists are asked for at each start and now and then: a gate that somebody removed would be missed by nobody else.
    if (containers.length > 0) await gates.ensure(host.engine)
    const subnets = new Map(
      slotNetworks.map((network) => [network.Labels?.[labels.slot], network.IPAM?.Config?.[0]?.Subnet]),
    )
    const slotIds = new Set(
      [...containers, ...(volumes.Volumes ?? []), ...slotNetworks].map(
        (one) => one.Labels?.[labels.slot] ?? '',
      ),
    )
    return [...slotIds].filter(isId).map((slotId) => {
      const subnet = subnets.get(slotId)
      return { slotId, handle: handleOf(host, slotId, subnet ? addressesIn(subnet) : undefined) }
    })
  }

  const handleOf = (host: DockerHost, slotId: string, addresses: SlotAddresses | undefined): Handle => ({
    slotId,
    host: host.engine.host.name,
    containerName: names.slot(slotId),
    subnet: addresses?.subnet ?? null,
    gateAddress: addresses?.gate ?? null,
    instanceAddress: addresses?.instance ?? null,
  })

  const containerIdOf = async (host: DockerHost, slotId: string): Promise<string> => {
    const found = await fleet.inspect(host, slotId)
    if (found?.State.Running) return found.Id
    throw new ComputeError('unavailable', 'The machine does not run, so its memory cannot be moved.')
  }

  const pause = (handle: Handle, action: 'pause' | 'unpause'): Promise<void> =>
    on(handle, async (host, slotId) => {
      await host.engine.docker
        .getContainer(names.slot(slotId))
        [action]()
        .catch((error: unknown) => {
          // It is so already, or it has ended meanwhile, which the next look shows.
          if (isStatus(error, 404, 409) || /already paused|not paused|not running/.test(String(error))) return
          throw error
        })
    })

  return {
    name: 'docker',
    capabilities: {
      isolation: 'container',
      suspend: true,
      freeze: true,
      egressControl: true,
      stopGraceSecondsMax,
    },
    preflight: async () => {
      const several = fleet.hosts.length > 1
      return (await Promise.all(fleet.hosts.map((host) => checkHost(host, options, several)))).flat()
    },
    ensure,
    observe: (handle) =>
      on(handle, async (host, slotId) => {
        const found = await fleet.inspect(host, slotId)
        return found
          ? observeContainer(host.engine, slotId, found, () => gates.address(host.engine))
          : observeAbsence(host.engine, names.slot(slotId), options.image, pulls)
      }),
    stop: (handle, { graceSeconds }) =>
      on(handle, async (host, slotId) => {
        const found = await fleet.inspect(host, slotId)
        if (found) await stopMachine(host, found, Math.min(Math.ceil(graceSeconds), stopGraceSecondsMax))
      }),
    remove,
    // A host that does not answer fails the whole: what it holds must not be taken for absent.
    list: async () =>
      (await Promise.all(fleet.hosts.map((host) => host.engine.use(() => listHost(host))))).flat(),
    suspend: (handle) => pause(handle, 'pause'),
    resume: (handle) =>
      on(handle, async (host, slotId) => {
        const found = await fleet.inspect(host, slotId)
        if (found) host.memory.thaw(found.Id)
        await pause(handle, 'unpause')
      }),
    freeze: (handle, { tier }) =>
      on(handle, async (host, slotId) => host.memory.freeze(await containerIdOf(host, slotId), tier)),
    trim: (handle, { toBytes }) =>
      on(handle, async (host, slotId) => host.memory.trim(await containerIdOf(host, slotId), toBytes)),
    rest: async () => {
      await Promise.all(fleet.hosts.map(({ engine }) => engine.use(() => gates.stop(engine))))
    },
    hosts: () => fleet.reports(),
    specVersion: async () => {
      // Every host is to have the same; the first that answers says which.
      const found = await Promise.any(
        fleet.hosts.map(({ engine }) =>
          engine.use(async () => {
            const image = await findImage(engine, options.image)
            if (image) return image
            throw new ComputeError('unavailable', missingImage(options.image, engine.host.name))
          }),
        ),
      ).catch(({ errors }: AggregateError) => {
        throw errors[0]
      })
      return specVersionOf(found)
    },
    listenAddresses: () =>
      Promise.all(
        fleet.hosts
          .filter(({ engine }) => engine.host.local)
          .map(({ engine }) => engine.use(async () => (await ensureOuterNetwork(engine, networks)).bridge)),
      ),
  }
}
