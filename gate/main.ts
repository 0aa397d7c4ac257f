import { readEnvironment } from './environment.ts'
import { startGate } from './gate.ts'

const gate = await startGate(readEnvironment(), {
  log: (line) => console.log(`${new Date().toISOString()} ${line}`),
})
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    void gate.close().then(() => process.exit(0))
  })
