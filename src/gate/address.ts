/** A slot that is reached through the gate of its host. */
export interface GateTarget {
  slotId: string
  hostName: string
  /** Where control planes reach the gate's inbound listener. */
  gateHost: string
  gatePort: number
}

const gateSuffix = '.gate.internal'
const labelCharactersMax = 60

/**
 * Base URL of a slot's supervisor behind a gate: `http://SLOT.HOST.GATE.gate.internal`, the host's name and the gate's
 * HOST:PORT in hexadecimal. A host's name too long for one label goes on in labels that begin with x.
 */
export function gateUrl(target: GateTarget): string {
  const [first = '', ...more] = labels(target.hostName)
  const gate = labels(`${target.gateHost}:${target.gatePort}`)
  return `http://${[target.slotId, first, ...more.map((label) => `x${label}`), ...gate].join('.')}${gateSuffix}`
}

/** Undefined for any host that is not below `gate.internal`; throws for one that is and means nothing. */
export function readGateHost(host: string): GateTarget | undefined {
  if (!host.endsWith(gateSuffix)) return undefined
  const [slotId = '', first = '', ...rest] = host.slice(0, -gateSuffix.length).split('.')
  const end = rest.findIndex((label) => !label.startsWith('x'))
  const more = rest.slice(0, end).map((label) => label.slice(1))
  const gate = Buffer.from(rest.slice(end).join(''), 'hex').toString()
  const parts = /^(.+):([0-9]{1,5})$/.exec(gate)
  if (end === -1 || slotId === '' || !parts) throw new Error(`${host} is no address of a slot behind a gate.`)
  return {
    slotId,
    hostName: Buffer.from(first + more.join(''), 'hex').toString(),
    gateHost: parts[1] as string,
    gatePort: Number(parts[2]),
  }
}

function labels(text: string): string[] {
  const hex = Buffer.from(text).toString('hex')
  return hex.match(new RegExp(`.{1,${labelCharactersMax}}`, 'g')) ?? []
}
