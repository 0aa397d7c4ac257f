/** Networks of 16 addresses, cut from one range: `10.213.0.0/16` holds 4096. */
const subnetSize = 16

export interface SlotAddresses {
  subnet: string
  /** Docker reserves one for the bridge, though the host never takes it in a slot's network. */
  bridge: string
  gate: string
  instance: string
}

export interface AddressRange {
  first: number
  /** How many subnets it holds. */
  count: number
}

/** Throws for anything but an IPv4 range of at least 32 addresses. */
export function parseRange(text: string): AddressRange {
  const [address = '', prefix = ''] = text.split('/')
  const bits = Number(prefix)
  const first = toNumber(address)
  if (first === undefined || !/^\d+$/.test(prefix) || bits < 8 || bits > 27 || first % 2 ** (32 - bits) !== 0)
    throw new Error(`${text} is not a range like 10.213.0.0/16.`)
  return { first, count: 2 ** (32 - bits) / subnetSize }
}

/** The subnet at a place in the range; negative places count from its end. */
export function subnetAt(range: AddressRange, place: number): string {
  const index = place < 0 ? range.count + place : place
  return `${toText(range.first + index * subnetSize)}/28`
}

/** Places that are free, lowest first or highest first; `taken` are the subnets of all networks of the host. */
export function* freePlaces(
  range: AddressRange,
  taken: string[],
  order: 'lowest' | 'highest',
): Generator<number> {
  const used = taken.map(boundsOf).filter((bounds) => bounds !== undefined)
  for (let step = 0; step < range.count; step++) {
    const place = order === 'lowest' ? step : range.count - 1 - step
    const first = range.first + place * subnetSize
    if (!used.some((bounds) => bounds.first < first + subnetSize && first < bounds.end)) yield place
  }
}

export function addressesIn(subnet: string): SlotAddresses {
  const bounds = boundsOf(subnet)
  if (!bounds) throw new Error(`${subnet} is not a subnet.`)
  const at = (offset: number): string => toText(bounds.first + offset)
  return { subnet, bridge: at(1), gate: at(2), instance: at(3) }
}

function boundsOf(subnet: string): { first: number; end: number } | undefined {
  const [address = '', prefix = '32'] = subnet.split('/')
  const number = toNumber(address)
  if (number === undefined) return undefined
  const size = 2 ** (32 - Number(prefix))
  const first = number - (number % size)
  return { first, end: first + size }
}

function toNumber(address: string): number | undefined {
  const parts = address.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return undefined
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}
