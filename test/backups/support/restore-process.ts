import { promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createRestores } from '../../../supervisor/backup/restores.ts'
import { controlOf } from './pipeline.ts'

/** A restore in a process that kills itself before its nth change of the disk: `DIRECTORY ORIGIN SLOT RESTORE STEP`. */
const [directory, origin, slotId, restoreId, step] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
let changes = 0
for (const name of ['rename', 'mkdir', 'rm', 'writeFile'] as const) {
  // Each keeps its own signature; only the moment before it is added.
  const work = promises[name] as (...given: unknown[]) => Promise<unknown>
  Object.assign(promises, {
    [name]: (...given: unknown[]) => {
      // Unpacking beside the state is most of the changes and the least of the danger.
      if (!String(given[0]).includes('/restore/tree/')) changes += 1
      if (changes === Number(step)) process.kill(process.pid, 'SIGKILL')
      return work(...given)
    },
  })
}
syncBuiltinESMExports()
const restores = createRestores({
  places: { slotDirectory: directory, configPath: 'openclaw.json' },
  control: controlOf(origin, slotId),
  exclusively: (work) => work(),
  stopOpenClaw: () => Promise.resolve(),
  startOpenClaw: () => Promise.resolve(true),
  isWanted: () => true,
  log: () => undefined,
})
await restores.recover()
await restores.apply(restoreId)
process.exit(0)
