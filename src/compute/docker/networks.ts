import { ComputeError } from '../../domain/instances/compute.ts'
import type { Engine } from './engine.ts'
import { engineMessage, isStatus } from './errors.ts'
import { withLock } from './locks.ts'
import { labels, type Names } from './names.ts'
import { refuseBroadcasts } from './reverse-path.ts'
import { type AddressRange, addressesIn, freePlaces, type SlotAddresses, subnetAt } from './subnets.ts'

export interface NetworkDeps {
  reefId: string
  names: Names
  range: AddressRange
}

/**
 * The slot's own network. The host gets no address on it and it has no way out, so an instance reaches nothing but the
 * gate, which is connected to it too.
 */
export async function ensureSlotNetwork(
  engine: Engine,
  deps: NetworkDeps,
  slotId: string,
): Promise<SlotAddresses> {
  const name = deps.names.slot(slotId)
  const addresses = await ensureNetwork(engine, deps, {
    name,
    labels: { [labels.reef]: deps.reefId, [labels.slot]: slotId },
    order: 'lowest',
    options: {
      Internal: true,
      Options: {
        'com.docker.network.bridge.inhibit_ipv4': 'true',
        'com.docker.network.bridge.enable_icc': 'true',
      },
    },
  })
  if (engine.host.local) await refuseBroadcasts((await engine.docker.getNetwork(name).inspect()).Id)
  return addresses
}

/** The gate's way out, and the one network where the host has an address: control planes listen on it. */
export function ensureOuterNetwork(engine: Engine, deps: NetworkDeps): Promise<SlotAddresses> {
  return ensureNetwork(engine, deps, {
    name: deps.names.outer,
    labels: { [labels.reef]: deps.reefId, [labels.role]: 'outer' },
    order: 'highest',
    options: { Internal: false },
  })
}

interface Wanted {
  name: string
  labels: Record<string, string>
  order: 'lowest' | 'highest'
  options: { Internal: boolean; Options?: Record<string, string> }
}

function ensureNetwork(engine: Engine, deps: NetworkDeps, wanted: Wanted): Promise<SlotAddresses> {
  return withLock(`networks of ${engine.host.url}`, async () => {
    const networks = await engine.docker.listNetworks()
    const found = networks.find((network) => network.Name === wanted.name)
    if (found) return addressesOf(wanted.name, found.IPAM?.Config?.[0]?.Subnet)
    const taken = networks.flatMap(
      (network) => network.IPAM?.Config?.map((config) => config.Subnet ?? '') ?? [],
    )
    for (const place of freePlaces(deps.range, taken, wanted.order)) {
      const addresses = addressesIn(subnetAt(deps.range, place))
      if (await create(engine, wanted, addresses)) return settleTwins(engine, wanted.name, addresses)
    }
    throw new ComputeError(
      'no_capacity',
      `Every network of REEF_DOCKER_NETWORK is in use on the Docker host ${engine.host.name}. Give it a larger range.`,
    )
  })
}

/** False when another network, or a route of the host, has some of these addresses. */
async function create(engine: Engine, wanted: Wanted, addresses: SlotAddresses): Promise<boolean> {
  try {
    await engine.docker.createNetwork({
      Name: wanted.name,
      Driver: 'bridge',
      CheckDuplicate: true,
      Labels: wanted.labels,
      IPAM: { Driver: 'default', Config: [{ Subnet: addresses.subnet, Gateway: addresses.bridge }] },
      ...wanted.options,
    })
    return true
  } catch (error) {
    if (/overlaps|address already in use|conflicts with network/i.test(engineMessage(error))) return false
    // Another control plane was quicker; which network it is shows below.
    if (isStatus(error, 409) && /already exists/.test(engineMessage(error))) return true
    throw error
  }
}

/** Two control planes may both have made one, for names of networks are not unique: the older stays. */
async function settleTwins(engine: Engine, name: string, made: SlotAddresses): Promise<SlotAddresses> {
  const twins = (await engine.docker.listNetworks({ filters: { name: [`^${name}$`] } }))
    .filter((network) => network.Name === name)
    .sort((a, b) => `${a.Created} ${a.Id}`.localeCompare(`${b.Created} ${b.Id}`))
  const [keep, ...others] = twins
  for (const other of others)
    await engine.docker
      .getNetwork(other.Id)
      .remove()
      .catch(() => undefined)
  return keep ? addressesOf(name, keep.IPAM?.Config?.[0]?.Subnet) : made
}

function addressesOf(name: string, subnet: string | undefined): SlotAddresses {
  if (subnet) return addressesIn(subnet)
  throw new ComputeError(
    'rejected',
    `The Docker network ${name} has no addresses. Remove it, then try again.`,
  )
}

/** Takes whoever is still connected off it first: the gate always is. Absence is success. */
export async function removeNetwork(engine: Engine, name: string): Promise<void> {
  const network = engine.docker.getNetwork(name)
  const found = await network.inspect().catch((error: unknown) => {
    if (isStatus(error, 404)) return undefined
    throw error
  })
  if (!found) return
  for (const containerId of Object.keys(found.Containers ?? {}))
    await network.disconnect({ Container: containerId, Force: true }).catch((error: unknown) => {
      if (!isStatus(error, 404) && !/is not connected/.test(engineMessage(error))) throw error
    })
  await network.remove().catch((error: unknown) => {
    if (!isStatus(error, 404)) throw error
  })
}
