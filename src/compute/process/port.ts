import { createServer } from 'node:net'

/** Ports given out lately: the supervisor takes some time to listen on its own, and until then it looks free. */
const given = new Map<number, { owner: string; at: number }>()
const reservedMilliseconds = 60_000

/** `preferred` if it is free, so that a slot keeps its address over restarts; otherwise one that is. */
export async function chooseFreePort(owner: string, preferred: number): Promise<number> {
  const now = Date.now()
  for (const [port, reservation] of given) if (now - reservation.at > reservedMilliseconds) given.delete(port)
  for (let candidate = preferred; ; candidate = 0) {
    const port = await tryPort(candidate)
    const reservation = port === undefined ? undefined : given.get(port)
    if (port === undefined || (reservation && reservation.owner !== owner)) continue
    given.set(port, { owner, at: now })
    return port
  }
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((done, failed) => {
    const server = createServer()
    server.once('error', (error) => (port === 0 ? failed(error) : done(undefined)))
    server.listen(port, '127.0.0.1', () => {
      const { port: chosen } = server.address() as { port: number } // listening on TCP, so it is not a path
      server.close(() => done(chosen))
    })
  })
}
