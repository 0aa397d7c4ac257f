export interface HostAddress {
  name: string
  /** `unix:///var/run/docker.sock`, `https://10.0.0.5:2376`, or `http://` on the loopback only. */
  url: string
  /** Whether it is the machine that the control plane runs on, so that loopback addresses lead to it. */
  local: boolean
  /** Where a remote host publishes its gate; a local one chooses a port on the loopback. */
  gate: { address: string; port: number } | null
}

const gatePortStandard = 7400

/**
 * Reads `name=unix:///var/run/docker.sock,b=tcp://10.0.0.5:2376?gate=10.0.0.5:7400`. Without `gate` a remote host's
 * gate is published on the address that its engine has, port 7400. Throws with what is wrong.
 */
export function parseHosts(text: string): HostAddress[] {
  const hosts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseHost)
  if (hosts.length === 0) throw new Error('REEF_DOCKER_HOSTS names no host.')
  const twice = hosts.find((host, index) => hosts.findIndex((other) => other.name === host.name) !== index)
  if (twice) throw new Error(`REEF_DOCKER_HOSTS names ${twice.name} twice.`)
  return hosts
}

function parseHost(text: string): HostAddress {
  const match = /^([a-z0-9](?:[a-z0-9.-]{0,60}[a-z0-9])?)=(unix|tcp):\/\/(.+)$/.exec(text)
  if (!match)
    throw new Error(
      `${JSON.stringify(text)} in REEF_DOCKER_HOSTS is not NAME=unix:///PATH or NAME=tcp://HOST:PORT.`,
    )
  const [, name = '', scheme, rest = ''] = match
  if (scheme === 'unix') return { name, url: `unix://${rest}`, local: true, gate: null }
  const url = new URL(`tcp://${rest}`)
  const loopback = url.hostname === 'localhost' || url.hostname.startsWith('127.')
  const [address = url.hostname, port = ''] = url.searchParams.get('gate')?.split(':') ?? []
  // An engine on the network without TLS gives root on its machine to whoever can reach it.
  const plain = loopback && url.searchParams.get('tls') === 'no'
  return {
    name,
    url: `${plain ? 'http' : 'https'}://${url.hostname}:${url.port || 2376}`,
    local: loopback,
    gate: loopback ? null : { address, port: Number(port) || gatePortStandard },
  }
}
