/** One way to get out, as data; `id` travels in it, so that an arrival can be told apart. */
export type Attempt = { id: string; what: string } & (
  | { kind: 'tcp'; host: string; port: number }
  | { kind: 'udp'; host: string; port: number }
  | { kind: 'dns'; server: string; name: string }
  /** Bytes to one of the gate's ports, step by step. */
  | { kind: 'bytes'; host: string; port: number; steps: string[] }
  | { kind: 'perl'; program: string }
)

/** Where the attempts aim. */
export interface Targets {
  /** Addresses of the host, of its bridges and of containers on other networks, each with a canary. */
  addresses: string[]
  canaryTcpPorts: number[]
  canaryUdpPorts: number[]
  /** A canary at an address as it is on the internet, which nothing allows. */
  forbidden: string
  /** What is allowed, and a name for it. */
  allowed: { name: string; address: string }
  /** Names that are not allowed, and names that stand for addresses that nobody may reach. */
  forbiddenName: string
  privateNames: string[]
  /** The instance's gate. */
  gate: string
  otherGates: string[]
  metadata: string
}

type Unnumbered = Attempt extends infer A ? (A extends Attempt ? Omit<A, 'id'> : never) : never

export function attemptsAt(targets: Targets, user: string): Attempt[] {
  const all: Unnumbered[] = [
    ...direct(targets),
    ...datagrams(targets),
    ...nameServers(targets),
    ...connects(targets),
    ...plainRequests(targets),
    ...insideTunnels(targets),
    ...relays(targets),
    ...foreignGates(targets),
    ...rawPackets(targets),
  ]
  return all.map((one, index) => ({ ...one, id: `attempt-${user}-${index}` }) as Attempt)
}

/** Without the proxy, as any program does that does not know of it. */
function direct({ addresses, canaryTcpPorts, metadata }: Targets): Unnumbered[] {
  return [...addresses, metadata].flatMap((host) =>
    canaryTcpPorts.map((port) => ({ what: 'straight to an address', kind: 'tcp' as const, host, port })),
  )
}

function datagrams({ addresses, canaryUdpPorts, gate, metadata }: Targets): Unnumbered[] {
  const everybody = ['255.255.255.255', '224.0.0.251', 'ff02::1', gate.replace(/\d+$/, '255')]
  return [...addresses, metadata, ...everybody].flatMap((host) =>
    canaryUdpPorts.map((port) => ({ what: 'a datagram: DNS, QUIC', kind: 'udp' as const, host, port })),
  )
}

function nameServers({ addresses, gate, forbiddenName }: Targets): Unnumbered[] {
  const names = [forbiddenName, `secret-data.${forbiddenName}`, 'x'.repeat(60), `gate.${forbiddenName}`]
  return ['127.0.0.11', '127.0.0.1', gate, ...addresses].flatMap((server) =>
    names.map((name) => ({ what: 'a secret in a question to DNS', kind: 'dns' as const, server, name })),
  )
}

/** Other spellings of an IPv4 address. */
function spellings(address: string): string[] {
  const bytes = address.split('.').map(Number)
  const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'))
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return [
    address,
    `${address}.`,
    `${number}`,
    `0x${hex.join('')}`,
    bytes.map((byte) => `0x${byte.toString(16)}`).join('.'),
    bytes.map((byte) => `0${byte.toString(8)}`).join('.'),
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${b * 65_536 + c * 256 + d}`,
    `[::ffff:${address}]`,
    `[::ffff:${hex[0]}${hex[1]}:${hex[2]}${hex[3]}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[2002:${hex[0]}${hex[1]}:${hex[2]}${hex[3]}::]`,
    `${address}%25eth0`,
    `[${address}]`,
  ]
}

/** Hosts that a careless proxy takes for the allowed name and a resolver for another, or the other way round. */
function disguises({ forbidden, forbiddenName, privateNames, allowed, metadata }: Targets): string[] {
  const { name } = allowed
  return [
    ...spellings(forbidden),
    ...spellings(metadata),
    ...['127.0.0.1', '0.0.0.0', '[::1]', '[::]', 'localhost', 'localhost.'],
    ...privateNames,
    ...[forbiddenName, `${forbiddenName}.`, forbiddenName.toUpperCase(), `xn--${forbiddenName}`],
    ...[`${name}.${forbiddenName}`, `${forbiddenName}#${name}`, `${forbiddenName}?${name}`],
    ...[`${forbiddenName}/${name}`, `${forbiddenName}\\${name}`, `${forbiddenName}%00.${name}`],
    ...[`${forbiddenName}\0.${name}`, `${name}\0.${forbiddenName}`, `${name}@${forbiddenName}`],
    ...[`${forbiddenName}@${name}`, `${name}:80@${forbiddenName}`, `${name}%40${forbiddenName}`],
    ...[
      `${forbiddenName} ${name}`,
      `${forbiddenName}\t${name}`,
      `.${name}`,
      `${name}..`,
      `${name}%2e${forbiddenName}`,
    ],
    ...[`*.${name}`, `[${name}]`, `${name},${forbiddenName}`, `${name};${forbiddenName}`, `x${name}`],
    ...[`${name}\u00ad`, `${name}\u3002${forbiddenName}`],
  ]
}

function connects(targets: Targets): Unnumbered[] {
  const hosts = disguises(targets)
  const lines = [
    ...hosts.flatMap((host) => [`${host}:443`, `${host}:80`]),
    ...[`${targets.allowed.name}:22`, `${targets.allowed.name}:8080`, `${targets.allowed.name}:3128`],
    ...[`${targets.allowed.name}:065616`, `${targets.allowed.name}:80:443`, `${targets.allowed.name}:-1`],
  ]
  return lines.map((line) => ({
    what: 'CONNECT',
    kind: 'bytes' as const,
    host: targets.gate,
    port: 3128,
    steps: [
      `CONNECT ${line} HTTP/1.1\r\nHost: ${targets.allowed.name}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${targets.forbiddenName}\r\n\r\n`,
    ],
  }))
}

function plainRequests(targets: Targets): Unnumbered[] {
  const { gate, allowed, forbidden, forbiddenName } = targets
  const send = (text: string): Unnumbered => ({
    what: 'a plain request',
    kind: 'bytes',
    host: gate,
    port: 3128,
    steps: [text],
  })
  return [
    ...disguises(targets).flatMap((host) => [
      send(`GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
      send(`GET http://${host}/ HTTP/1.1\r\nHost: ${allowed.name}\r\n\r\n`),
    ]),
    send(`GET http://${allowed.name}/ HTTP/1.1\r\nHost: ${forbiddenName}\r\n\r\n`),
    send(`GET http://${allowed.name}/ HTTP/1.1\r\nHost: ${allowed.name}\r\nHost: ${forbiddenName}\r\n\r\n`),
    send(`GET http://${allowed.name}/ HTTP/1.1\nHost: ${forbiddenName}\n\n`),
    send(`GET / HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`),
    send(`GET ftp://${forbidden}/ HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`),
    send(`GET file:///etc/passwd HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`),
    send(
      `POST http://${allowed.name}/ HTTP/1.1\r\nHost: ${allowed.name}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET http://${forbidden}/ HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`,
    ),
    send(
      `GET http://${allowed.name}/ HTTP/1.1\r\nHost: ${allowed.name}\r\n\r\nCONNECT ${forbidden}:443 HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`,
    ),
    send(
      `GET http://${forbidden}/ HTTP/1.1\r\nHost: ${forbidden}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    ),
  ]
}

/** A tunnel to what is allowed, and in it something else. */
function insideTunnels({ gate, allowed, forbidden, forbiddenName }: Targets): Unnumbered[] {
  const open = (port: number): string =>
    `CONNECT ${allowed.name}:${port} HTTP/1.1\r\nHost: ${allowed.name}:${port}\r\n\r\n`
  const inside = [
    `CONNECT ${forbidden}:443 HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`,
    `CONNECT ${forbiddenName}:80 HTTP/1.1\r\nHost: ${forbiddenName}\r\n\r\n`,
    `GET http://${forbidden}/ HTTP/1.1\r\nHost: ${forbidden}\r\n\r\n`,
    `GET /forbidden HTTP/1.1\r\nHost: ${forbiddenName}\r\n\r\n`,
    `GET http://${forbiddenName}/forbidden HTTP/1.1\r\nHost: ${allowed.name}\r\n\r\n`,
    'SSH-2.0-forbidden\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nforbidden',
    '\x05\x01\x00forbidden',
  ]
  return [80, 443].flatMap((port) =>
    inside.map((text) => ({
      what: 'inside a tunnel',
      kind: 'bytes' as const,
      host: gate,
      port: 3128,
      steps: [open(port), text],
    })),
  )
}

/** To the control plane: nothing but the paths that instances have there. */
function relays({ gate, forbidden }: Targets): Unnumbered[] {
  const paths = [
    ...['/', '/api/me', '/api/info', '/gate', '/realtime', '/metrics', '/docs', '/openapi.json'],
    ...['/models/../api/me', '/models/..%2fapi/me', '/models/%2e%2e/api/me', '/models/..\\api/me'],
    ...['/slot/../gate', '/link/../gate', '//gate', '/models//../gate', '/models/./../gate'],
    ...[`http://${forbidden}/`, 'http://control/gate', '*', '/LINK', '/link%00', '/link/'],
  ]
  return paths.flatMap((path) => [
    {
      what: 'another path of the control plane',
      kind: 'bytes' as const,
      host: gate,
      port: 7300,
      steps: [`GET ${path} HTTP/1.1\r\nHost: control\r\n\r\n`],
    },
    {
      what: 'another WebSocket of the control plane',
      kind: 'bytes' as const,
      host: gate,
      port: 7300,
      steps: [
        `GET ${path} HTTP/1.1\r\nHost: control\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
      ],
    },
  ])
}

/** The gate by the addresses that it has in other networks, and its inbound listener. */
function foreignGates({ gate, otherGates, allowed }: Targets): Unnumbered[] {
  return [
    ...otherGates.flatMap((host) => [
      {
        what: 'a foreign proxy',
        kind: 'bytes' as const,
        host,
        port: 3128,
        steps: [`GET http://${allowed.name}/foreign HTTP/1.1\r\nHost: ${allowed.name}\r\n\r\n`],
      },
      {
        what: 'a foreign relay',
        kind: 'bytes' as const,
        host,
        port: 7300,
        steps: ['GET /models/foreign HTTP/1.1\r\nHost: control\r\n\r\n'],
      },
    ]),
    ...[gate, ...otherGates].map((host) => ({
      what: 'the inbound listener',
      kind: 'bytes' as const,
      host,
      port: 7400,
      steps: ['REEF-GATE/1 slot token\n', 'GET / HTTP/1.1\r\n\r\n'],
    })),
  ]
}

/** Below TCP and UDP: an echo request as any user may send it, raw sockets and frames of our own making. */
function rawPackets({ addresses, metadata, gate }: Targets): Unnumbered[] {
  const hosts = [...addresses, metadata]
  const echo = (host: string, type: string): string =>
    `socket(S, PF_INET, ${type}, 1) or die "no socket: $!"; send(S, pack("C2n3a8", 8, 0, 0xf7ff, 0, 0, "forbidde"), 0, sockaddr_in(0, inet_aton("${host}"))) or die "not sent: $!"; my $r = ""; vec($r, fileno(S), 1) = 1; print select($r, undef, undef, 1) > 0 ? "ANSWERED" : "silence";`
  return [
    ...hosts.map((host) => ({ what: 'ICMP', kind: 'perl' as const, program: echo(host, 'SOCK_DGRAM') })),
    ...hosts.map((host) => ({ what: 'raw ICMP', kind: 'perl' as const, program: echo(host, 'SOCK_RAW') })),
    {
      what: 'frames of its own',
      kind: 'perl',
      program: 'socket(S, 17, SOCK_RAW, 0x0300) or die "no socket: $!"; print "ANSWERED";',
    },
    {
      what: 'a route of its own',
      kind: 'perl',
      // SIOCADDRT with a default route over the gate.
      program: `socket(S, PF_INET, SOCK_DGRAM, 0); my $a = sub { pack("S n a4 x8", 2, 0, inet_aton($_[0])) }; my $r = pack("x8") . $a->("0.0.0.0") . $a->("${gate}") . $a->("0.0.0.0") . pack("S x100", 3); ioctl(S, 0x890B, $r) or die "no route: $!"; print "ANSWERED";`,
    },
  ]
}
