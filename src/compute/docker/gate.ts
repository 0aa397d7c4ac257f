import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import { ComputeError } from '../../domain/instances/compute.ts'
import type { Engine } from './engine.ts'
import { engineMessage, isStatus } from './errors.ts'
import { agentUser, putFile } from './files.ts'
import { findImage, missingImage } from './images.ts'
import { withLock } from './locks.ts'
import { labels } from './names.ts'
import { ensureOuterNetwork, type NetworkDeps } from './networks.ts'
import { hardened } from './profile.ts'
import { findSelf } from './self.ts'
import { addressesIn, type SlotAddresses } from './subnets.ts'

export interface GateOptions extends NetworkDeps {
  image: string
  /** What it shows to the control plane, and what opens its inbound listener. */
  token(hostName: string): string
  /** Of the API, as other machines reach it; a loopback address stands for the host's end of the outer network. */
  controlUrl: string
}

/** Where control planes reach the inbound listener of a host's gate. */
export interface GateAddress {
  host: string
  port: number
}

const inboundPort = 7400
const secretDirectory = '/run/reef'
const portAttemptsMax = 20
/** What REEF_INTERNAL_URL of deploy/docker/compose.yaml says. */
const controlPlaneAlias = 'control-plane'

/** It holds nothing that would have to be written first. */
const stopSeconds = 1

/** The gates of all hosts, one each. */
export function createGates(options: GateOptions) {
  const { names } = options
  /** Gates that this process has compared with what it wants; so that control planes of two versions do not quarrel. */
  const compared = new Set<string>()
  const known = new Map<string, GateAddress>()

  /** Made if it is not there, made anew if it is another one than this control plane wants, started, connected. */
  const ensure = (engine: Engine): Promise<GateAddress> =>
    withLock(`gate of ${engine.host.url}`, async () => {
      const outer = await ensureOuterNetwork(engine, options)
      const found = await inspect(engine)
      const published = await ensureContainer(engine, outer, found)
      await connectAll(engine)
      const self = await findSelf(engine)
      if (self) await joinOuter(engine, self)
      const address = self ? { host: outer.gate, port: inboundPort } : published
      compared.add(engine.host.name)
      known.set(engine.host.name, address)
      return address
    })

  const inspect = (engine: Engine): Promise<Docker.ContainerInspectInfo | undefined> =>
    engine.docker
      .getContainer(names.gate)
      .inspect()
      .catch((error: unknown) => {
        if (isStatus(error, 404)) return undefined
        throw error
      })

  const ensureContainer = async (
    engine: Engine,
    outer: SlotAddresses,
    found: Docker.ContainerInspectInfo | undefined,
  ): Promise<GateAddress> => {
    const image = await findImage(engine, options.image)
    if (!image && !found) throw new ComputeError('unavailable', missingImage(options.image, engine.host.name))
    const wanted = { imageId: image?.id ?? found?.Image ?? '', outer, engine }
    if (found) {
      const same = found.Config.Labels[labels.spec] === specOf(wanted)
      const address = publishedAt(engine, found)
      if (address && (same || compared.has(engine.host.name))) {
        if (!found.State.Running) await engine.docker.getContainer(found.Id).start()
        return address
      }
      await engine.docker.getContainer(found.Id).remove({ force: true })
    }
    return create(wanted, found && publishedAt(engine, found))
  }

  const specOf = ({ imageId, outer, engine }: Wanted): string =>
    createHash('sha256')
      .update(JSON.stringify([container({ imageId, outer, engine }, 0), options.token(engine.host.name)]))
      .digest('hex')
      .slice(0, 16)

  const create = async (wanted: Wanted, last: GateAddress | undefined): Promise<GateAddress> => {
    const { engine } = wanted
    await engine.docker.createVolume({
      Name: names.gate,
      Labels: { [labels.reef]: options.reefId, [labels.role]: 'gate' },
    })
    for (let attempt = 0; ; attempt++) {
      const address = addressFor(engine, attempt, last)
      const made = await engine.docker.createContainer({
        ...container(wanted, address.port),
        Labels: {
          [labels.reef]: options.reefId,
          [labels.role]: 'gate',
          [labels.spec]: specOf(wanted),
        },
      })
      await putFile(made, secretDirectory, { name: 'token', text: `${options.token(engine.host.name)}\n` })
      try {
        await made.start()
        return address
      } catch (error) {
        await made.remove({ force: true })
        const taken = /port is already allocated|address already in use/i.test(engineMessage(error))
        if (!taken || engine.host.gate || attempt >= portAttemptsMax) throw error
      }
    }
  }

  interface Wanted {
    imageId: string
    outer: SlotAddresses
    engine: Engine
  }

  const container = ({ imageId, outer, engine }: Wanted, port: number): Docker.ContainerCreateOptions => ({
    name: names.gate,
    Image: imageId,
    User: `${agentUser.uid}:${agentUser.gid}`,
    ExposedPorts: { [`${inboundPort}/tcp`]: {} },
    Env: [
      `REEF_GATE_HOST=${engine.host.name}`,
      `REEF_GATE_CONTROL_URL=${controlUrl(options.controlUrl, outer)}`,
      `REEF_GATE_TOKEN_FILE=${secretDirectory}/token`,
      `REEF_GATE_INBOUND_ADDRESS=${outer.gate}`,
    ],
    HostConfig: {
      ...hardened,
      Memory: 512 * 1024 ** 2,
      MemorySwap: 512 * 1024 ** 2,
      PidsLimit: 64,
      CpuShares: 2048,
      RestartPolicy: { Name: 'always' },
      // It relays what it has judged; its kernel forwards nothing between the networks.
      Sysctls: { 'net.ipv4.ip_forward': '0' },
      NetworkMode: names.outer,
      Mounts: [{ Type: 'volume', Source: names.gate, Target: secretDirectory }],
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,noexec,size=16m' },
      PortBindings: {
        [`${inboundPort}/tcp`]: [
          { HostIp: engine.host.gate?.address ?? '127.0.0.1', HostPort: String(port) },
        ],
      },
    },
    NetworkingConfig: {
      EndpointsConfig: { [names.outer]: { IPAMConfig: { IPv4Address: outer.gate } } },
    },
  })

  /** A port that follows from the Reef's id, so that it stays the same when the gate is made anew. */
  const addressFor = (engine: Engine, attempt: number, last: GateAddress | undefined): GateAddress => {
    if (engine.host.gate) return { host: engine.host.gate.address, port: engine.host.gate.port }
    if (last && attempt === 0) return last
    const hash = createHash('sha256').update(`${options.reefId} ${engine.host.name} ${attempt}`).digest()
    return { host: '127.0.0.1', port: 20_000 + (hash.readUInt32BE() % 12_000) }
  }

  /** To the network of every slot of the host, at the address that instances know it by. */
  const connectAll = async (engine: Engine): Promise<void> => {
    const networks = await engine.docker.listNetworks({ filters: { label: names.own } })
    const gate = await inspect(engine)
    const connected = gate?.NetworkSettings.Networks ?? {}
    for (const network of networks) {
      const subnet = network.IPAM?.Config?.[0]?.Subnet
      if (network.Labels?.[labels.slot] === undefined || network.Name in connected || !subnet) continue
      await connect(engine, network.Id, addressesIn(subnet).gate)
    }
  }

  /** A control plane in a container sits on the gate's own network, where the gate finds it by name. */
  const joinOuter = (engine: Engine, self: string): Promise<void> =>
    engine.docker
      .getNetwork(names.outer)
      .connect({ Container: self, EndpointConfig: { Aliases: [controlPlaneAlias] } })
      .catch((error: unknown) => {
        if (!/already exists in network|already attached/.test(engineMessage(error))) throw error
      })

  const connect = async (engine: Engine, networkId: string, address: string): Promise<void> => {
    for (let attempt = 0; ; attempt++)
      try {
        return await engine.docker.getNetwork(networkId).connect({
          Container: names.gate,
          EndpointConfig: { IPAMConfig: { IPv4Address: address } },
        })
      } catch (error) {
        const message = engineMessage(error)
        // Another control plane was quicker, or the network has just been removed with its slot.
        if (/already exists in network|already attached/.test(message) || isStatus(error, 404)) return
        // Docker frees the address of a gate that was made anew a moment later.
        if (!/Address already in use/i.test(message) || attempt >= 20) throw error
        await sleep(100)
      }
  }

  return {
    ensure,
    /** As last known, else looked up; makes nothing unless there is none. */
    address: async (engine: Engine): Promise<GateAddress> => known.get(engine.host.name) ?? ensure(engine),
    /** Until the next `ensure` nothing goes in or out. Absence is success. */
    stop: async (engine: Engine): Promise<void> => {
      known.delete(engine.host.name)
      await engine.docker
        .getContainer(options.names.gate)
        .stop({ t: stopSeconds })
        .catch((error: unknown) => {
          if (!isStatus(error, 304, 404)) throw error
        })
    },
    /** The next `address` looks again. */
    forget: (engine: Engine): void => void known.delete(engine.host.name),
  }
}

function publishedAt(engine: Engine, found: Docker.ContainerInspectInfo): GateAddress | undefined {
  const bindings = found.HostConfig.PortBindings as Record<string, { HostIp?: string; HostPort?: string }[]>
  const port = Number(bindings?.[`${inboundPort}/tcp`]?.[0]?.HostPort)
  return port ? { host: engine.host.gate?.address ?? '127.0.0.1', port } : undefined
}

/** On the loopback nobody but the host itself answers: the gate reaches the host at its end of the outer network. */
function controlUrl(url: string, outer: SlotAddresses): string {
  const parsed = new URL(url)
  if (/^(127\.|localhost$|\[::1\]$)/.test(parsed.hostname)) parsed.hostname = outer.bridge
  return parsed.origin
}
