import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'

export interface ListeningPorts {
  api: number
  proxy: number
}

export interface WantedPorts {
  host: string
  /** Set by the operator: used or refused, never replaced. */
  api: number | undefined
  proxy: number | undefined
}

const defaults: ListeningPorts = { api: 7300, proxy: 7301 }

/**
 * Which ports to listen on: those that the operator set; else those of the last start in this data directory, so that
 * bookmarks and running instances still find Reef; else the defaults; else free ones.
 * Throws when a port that the operator set is taken.
 */
export async function choosePorts(dataDirectory: string, wanted: WantedPorts): Promise<ListeningPorts> {
  const file = join(dataDirectory, 'ports.json')
  const last = await readLast(file)
  const api = await choose('REEF_PORT', wanted.host, wanted.api, [last?.api, defaults.api], [])
  const proxy = await choose(
    'REEF_PROXY_PORT',
    wanted.host,
    wanted.proxy,
    [last?.proxy, defaults.proxy],
    [api],
  )
  await writeFile(file, JSON.stringify({ api, proxy }))
  return { api, proxy }
}

async function choose(
  key: string,
  host: string,
  explicit: number | undefined,
  preferred: (number | undefined)[],
  taken: number[],
): Promise<number> {
  if (explicit !== undefined) {
    const problem = taken.includes(explicit) ? 'EADDRINUSE' : await tryPort(host, explicit)
    if (typeof problem === 'number') return problem
    throw new Error(portProblem(key, host, explicit, problem))
  }
  for (const candidate of preferred) {
    if (candidate === undefined || taken.includes(candidate)) continue
    const result = await tryPort(host, candidate)
    if (typeof result === 'number') return result
  }
  const free = await tryPort(host, 0)
  if (typeof free === 'number') return free
  throw new Error(portProblem('REEF_HOST', host, 0, free))
}

function portProblem(key: string, host: string, port: number, code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use. Stop what listens there, or choose another: ${key}=NUMBER`
    case 'EACCES':
      return `Reef may not listen on port ${port}: ports below 1024 need privileges. Choose another: ${key}=NUMBER`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine. Choose one that is: REEF_HOST=127.0.0.1`
    default:
      return `Reef cannot listen on ${host} port ${port}: ${code}`
  }
}

/** The port if it is free (the one chosen, for 0), else the error's code. */
function tryPort(host: string, port: number): Promise<number | string> {
  return new Promise((done) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    server.listen(port, host, () => {
      const { port: chosen } = server.address() as { port: number }
      server.close(() => done(chosen))
    })
  })
}

async function readLast(file: string): Promise<Partial<ListeningPorts> | undefined> {
  // A missing or damaged file only means that the defaults are tried.
  return readFile(file, 'utf8')
    .then((text) => JSON.parse(text) as Partial<ListeningPorts>)
    .catch(() => undefined)
}
