import { readEnvironment } from './environment.ts'
import { startSupervisor } from './supervisor.ts'

const supervisor = await startSupervisor(readEnvironment(), (line) =>
  console.log(`${new Date().toISOString()} ${line}`),
)
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => void supervisor.stop(`${signal} was received.`))
await supervisor.ended
process.exit(0)
