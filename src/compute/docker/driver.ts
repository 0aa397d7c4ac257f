import type Docker from 'dockerode'
import {
  type ComputeDriver,
  ComputeError,
  type Handle,
  type ListedSlot,
  type Observation,
  type SlotSpec,
} from '../../domain/instances/compute.ts'
import { gateUrl } from '../../gate/address.ts'
import { isId } from '../../ids.ts'
import { diagnose } from './diagnosis.ts'
import { type Engine, openEngine } from './engine.ts'
import { isStatus } from './errors.ts'
import { putFile } from './files.ts'
import { createGates } from './gate.ts'
import type { HostAddress } from './host-address.ts'
import { findImage, imageOf, missingImage, specVersionOf } from './images.ts'
import { withLock } from './locks.ts'
import { readTail } from './logs.ts'
import { labels, namesOf } from './names.ts'
import { ensureOuterNetwork, ensureSlotNetwork, removeNetwork } from './networks.ts'
import { checkHost } from './preflight.ts'
import { controlFile, instanceContainer, limits, noRestarts, restarts, slotDirectory } from './profile.ts'
import { addressesIn, parseRange, type SlotAddresses } from './subnets.ts'

export interface DockerDriverOptions {
  /** Marks what is this Reef's. Not a secret; stable over restarts. */
  reefId: string
  hosts: HostAddress[]
  certificatesDirectory?: string | undefined
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
/** For a machine that is made anew while it runs; whoever upgrades has let its turns end before. */
const replaceGraceSeconds = 20

type Inspected = Docker.ContainerInspectInfo

/** Slots as hardened containers, each with a volume and a network of its own, behind one gate per host. */
export function createDockerDriver(options: DockerDriverOptions): ComputeDriver {
  const names = namesOf(options.reefId)
  const networks = { reefId: options.reefId, names, range: parseRange(options.network) }
  const gates = createGates({
    ...networks,
    image: options.gateImage,
    token: options.gateToken,
    controlUrl: options.controlUrl,
  })
  const engines = options.hosts.map((host) => openEngine(host, options.certificatesDirectory))
  const cgroupVersions = new Map<string, '1' | '2'>()

  const engineNamed = (name: unknown): Engine => {
    const engine = engines.find((candidate) => candidate.host.name === name)
    if (engine) return engine
    throw new ComputeError(
      'unavailable',
      `The slot lies on the Docker host ${String(name)}, which REEF_DOCKER_HOSTS does not name. Name it there again.`,
    )
  }

  const inspect = (engine: Engine, slotId: string): Promise<Inspected | undefined> =>
    engine.docker
      .getContainer(names.slot(slotId))
      .inspect()
      .catch((error: unknown) => {
        if (isStatus(error, 404)) return undefined
        throw error
      })

  const cgroupVersion = async (engine: Engine): Promise<'1' | '2'> => {
    const known = cgroupVersions.get(engine.host.name)
    if (known) return known
    const version = (await engine.docker.info()).CgroupVersion === '2' ? '2' : '1'
    cgroupVersions.set(engine.host.name, version)
    return version
  }

  const ensure = async (spec: SlotSpec, previous: Handle | null): Promise<Handle> => {
    if (!isId(spec.slotId))
      throw new ComputeError('rejected', `${JSON.stringify(spec.slotId)} is not a slot id.`)
    const engine = previous ? engineNamed(previous.host) : await chooseHost(spec.slotId)
    return engine.use(() =>
      withLock(`${engine.host.url} ${spec.slotId}`, async () => {
        const addresses = await ensureSlotNetwork(engine, networks, spec.slotId)
        const handle = handleOf(engine, spec.slotId, addresses)
        const image = await findImage(engine, imageOf(spec.specVersion, options.image))
        const found = await inspect(engine, spec.slotId)
        // `observe` says what is missing; there is nothing to start from.
        if (!image && !found) return handle
        await gates.ensure(engine)
        await run(engine, spec, addresses, found, image?.id)
        return handle
      }),
    )
  }

  /** Brings the container from whatever it is to one that runs and was made of what is wanted. */
  const run = async (
    engine: Engine,
    spec: SlotSpec,
    addresses: SlotAddresses,
    found: Inspected | undefined,
    imageId: string | undefined,
  ): Promise<void> => {
    const outdated = found !== undefined && found.Config.Labels[labels.spec] !== spec.specVersion
    if (found && outdated && imageId) await discard(engine, found)
    const kept = found && !(outdated && imageId) ? found : undefined
    const container = kept
      ? engine.docker.getContainer(kept.Id)
      : await create(engine, spec, addresses, imageId ?? '')
    await putFile(container, slotDirectory, { name: 'control.json', text: controlFile(spec, addresses) })
    if (kept) {
      // A stop that was begun is finished first: it joins the one that may still be under way.
      if (kept.State.Running && kept.HostConfig.RestartPolicy?.Name === 'no')
        await engine.patient.getContainer(kept.Id).stop({ t: replaceGraceSeconds })
      else if (kept.State.Running) return
      await container.update({
        ...limits(spec.limits, await cgroupVersion(engine)),
        RestartPolicy: restarts,
      })
    }
    await container.start()
  }

  const create = async (
    engine: Engine,
    spec: SlotSpec,
    addresses: SlotAddresses,
    imageId: string,
  ): Promise<Docker.Container> => {
    const name = names.slot(spec.slotId)
    await engine.docker.createVolume({
      Name: name,
      Labels: { [labels.reef]: options.reefId, [labels.slot]: spec.slotId },
    })
    const profile = { spec, reefId: options.reefId, name, imageId, addresses }
    try {
      return await engine.docker.createContainer(
        instanceContainer({ ...profile, cgroupVersion: await cgroupVersion(engine) }),
      )
    } catch (error) {
      // Another control plane was quicker.
      if (isStatus(error, 409)) return engine.docker.getContainer(name)
      throw error
    }
  }

  const discard = async (engine: Engine, found: Inspected): Promise<void> => {
    const container = engine.patient.getContainer(found.Id)
    if (found.State.Paused) await container.unpause()
    if (found.State.Running) await container.stop({ t: replaceGraceSeconds })
    await container.remove({ force: true })
  }

  /** Where the slot lies already, else the first host. */
  const chooseHost = async (slotId: string): Promise<Engine> => {
    const [only] = engines
    if (engines.length === 1 && only) return only
    for (const engine of engines) if (await engine.use(() => inspect(engine, slotId))) return engine
    return engines[0] as Engine // parseHosts refuses an empty list
  }

  const observe = async (handle: Handle): Promise<Observation> => {
    const engine = engineNamed(handle.host)
    const slotId = String(handle.slotId)
    return engine.use(async () => {
      const found = await inspect(engine, slotId)
      if (!found) return observeAbsence(engine, slotId)
      const { State: state } = found
      if (state.Status === 'restarting') return { phase: 'starting', pendingReason: 'booting' }
      if (!state.Running) {
        const ended = found.HostConfig.RestartPolicy?.Name === 'no'
        return diagnose({
          exitCode: state.ExitCode,
          outOfMemory: state.OOMKilled,
          error: state.Error,
          memoryMebibytes: (found.HostConfig.Memory ?? 0) / 1024 ** 2,
          stopRequested: ended,
          logTail: ended ? '' : await readTail(engine.docker.getContainer(found.Id)),
        })
      }
      const gate = await gates.address(engine)
      const address = gateUrl({
        slotId,
        hostName: engine.host.name,
        gateHost: gate.host,
        gatePort: gate.port,
      })
      return { phase: state.Paused ? 'suspended' : 'running', address }
    })
  }

  /** A slot that has a network and no container was asked for on a host that lacks its image. */
  const observeAbsence = async (engine: Engine, slotId: string): Promise<Observation> => {
    const wasWanted = await engine.docker
      .getNetwork(names.slot(slotId))
      .inspect()
      .then(
        () => true,
        () => false,
      )
    if (!wasWanted || (await findImage(engine, options.image))) return { phase: 'absent' }
    return {
      phase: 'failed',
      failure: { code: 'bad_image', message: missingImage(options.image, engine.host.name) },
    }
  }

  const stop = async (handle: Handle, { graceSeconds }: { graceSeconds: number }): Promise<void> => {
    const engine = engineNamed(handle.host)
    await engine.use(async () => {
      const found = await inspect(engine, String(handle.slotId))
      if (!found) return
      const container = engine.patient.getContainer(found.Id)
      await container.update({ RestartPolicy: noRestarts }).catch(unlessAbsent)
      // A paused supervisor could not drain.
      if (found.State.Paused) await container.unpause().catch(unlessAbsent)
      await container.stop({ t: Math.min(Math.ceil(graceSeconds), stopGraceSecondsMax) }).catch(unlessAbsent)
    })
  }

  const remove = async (handle: Handle): Promise<void> => {
    const engine = engineNamed(handle.host)
    const slotId = String(handle.slotId)
    const name = names.slot(slotId)
    await engine.use(() =>
      withLock(`${engine.host.url} ${slotId}`, async () => {
        await engine.patient.getContainer(name).remove({ force: true }).catch(unlessAbsent)
        await removeNetwork(engine, name)
        // Last: a removal that is cut short leaves a slot that `list()` still finds.
        await engine.docker.getVolume(name).remove().catch(unlessAbsent)
      }),
    )
  }

  const list = async (): Promise<ListedSlot[]> => {
    const found = await Promise.all(engines.map((engine) => engine.use(() => listHost(engine))))
    return found.flat()
  }

  const listHost = async (engine: Engine): Promise<ListedSlot[]> => {
    const filters = { label: [...names.own, labels.slot] }
    const [containers, volumes, slotNetworks] = await Promise.all([
      engine.docker.listContainers({ all: true, filters }),
      engine.docker.listVolumes({ filters }),
      engine.docker.listNetworks({ filters }),
    ])
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
      return { slotId, handle: handleOf(engine, slotId, subnet ? addressesIn(subnet) : undefined) }
    })
  }

  const handleOf = (engine: Engine, slotId: string, addresses: SlotAddresses | undefined): Handle => ({
    slotId,
    host: engine.host.name,
    containerName: names.slot(slotId),
    subnet: addresses?.subnet ?? null,
    gateAddress: addresses?.gate ?? null,
    instanceAddress: addresses?.instance ?? null,
  })

  const pauseOrNot = async (handle: Handle, action: 'pause' | 'unpause'): Promise<void> => {
    const engine = engineNamed(handle.host)
    await engine.use(() =>
      engine.docker
        .getContainer(names.slot(String(handle.slotId)))
        [action]()
        .catch((error: unknown) => {
          // It is so already, or it has ended meanwhile, which the next look shows.
          if (
            !isStatus(error, 404, 409) &&
            !/is already paused|is not paused|is not running/.test(String(error))
          )
            throw error
        }),
    )
  }

  return {
    name: 'docker',
    capabilities: {
      isolation: 'container',
      suspend: true,
      freeze: false,
      egressControl: true,
      stopGraceSecondsMax,
    },
    preflight: async () =>
      (await Promise.all(engines.map((engine) => checkHost(engine, options, engines.length > 1)))).flat(),
    ensure,
    observe,
    stop,
    remove,
    list,
    suspend: (handle) => pauseOrNot(handle, 'pause'),
    resume: (handle) => pauseOrNot(handle, 'unpause'),
    specVersion: async () => {
      const engine = engines[0] as Engine // parseHosts refuses an empty list
      const image = await engine.use(() => findImage(engine, options.image))
      if (!image) throw new ComputeError('unavailable', missingImage(options.image, engine.host.name))
      return specVersionOf(image)
    },
    listenAddresses: async () => {
      const local = engines.filter((engine) => engine.host.local)
      return Promise.all(
        local.map((engine) => engine.use(async () => (await ensureOuterNetwork(engine, networks)).bridge)),
      )
    },
  }
}

function unlessAbsent(error: unknown): void {
  if (!isStatus(error, 404, 304)) throw error
}
