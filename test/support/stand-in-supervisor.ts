import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

/**
 * A real process in place of the supervisor: it keeps state, listens on its port, and misbehaves when a file in its
 * directory says so. Used by the tests of the drivers.
 */
const directory = process.env.REEF_SLOT_DIR as string
const control = JSON.parse(readFileSync(join(directory, 'control.json'), 'utf8')) as { port: number }

// Before it says that it has booted: whoever waits for that may stop it at once.
process.on('SIGTERM', () => {
  if (existsSync(join(directory, 'ignore-stop'))) return
  process.stdout.write('stand-in stopped\n')
  process.exit(0)
})

process.stdout.write(`stand-in started, pid ${process.pid}\n`)
appendFileSync(join(directory, 'boots'), `${process.pid}\n`)
writeFileSync(join(directory, 'environment.json'), JSON.stringify(process.env))

const hogged: Buffer[] = []
createServer((_request, response) => response.end('stand-in')).listen(
  control.port,
  process.env.REEF_SUPERVISOR_HOST ?? '127.0.0.1',
)
setInterval(() => {
  if (existsSync(join(directory, 'chatter'))) process.stdout.write(`${randomBytes(8_000).toString('hex')}\n`)
  // Takes all the memory that there is, in every life.
  while (existsSync(join(directory, 'hog'))) hogged.push(randomBytes(8 * 1024 * 1024))
  const crash = join(directory, 'crash')
  if (!existsSync(crash)) return
  // How often it should crash again, for a machine that is started again by itself.
  const more = Number(readFileSync(crash, 'utf8'))
  if (more > 0) writeFileSync(crash, String(more - 1))
  else rmSync(crash)
  process.stderr.write('stand-in crashes as told\n')
  process.exit(7)
}, 20)
