import { readEnvironment } from './environment.ts'
import { startSupervisor } from './supervisor.ts'

// What it says may go into a file on a disk that is full: that ends no instance.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

const supervisor = await startSupervisor(readEnvironment(), (line) =>
  console.log(`${new Date().toISOString()} ${line}`),
)
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => void supervisor.stop(`${signal} was received.`))
await supervisor.ended
process.exit(0)
