import { promises } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createRestores } from '../../../supervisor/backup/restores.ts'
import { controlOf } from './pipeline.ts'

/** What is done at the nth change of the disk, and from when on changes are counted. */
export interface RestoreFault {
  step: number
  /** `fail`: that one change is refused, as by a full disk. */
  how: 'kill' | 'fail'
  /** `undo`: from when OpenClaw did not start with the restored state, which it does otherwise. */
  from: 'begin' | 'stop' | 'undo'
}

/** A restore in a process with a fault: `DIRECTORY ORIGIN SLOT RESTORE FAULT`. */
const [directory, origin, slotId, restoreId, fault] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
const { step, how, from } = JSON.parse(fault) as RestoreFault
let counting = from === 'begin'
let changes = 0
const startsAt = (moment: RestoreFault['from']) => {
  if (from === moment) counting = true
}

for (const name of ['rename', 'mkdir', 'rm', 'writeFile'] as const) {
  // Each keeps its own signature; only the moment before it is added.
  const work = promises[name] as (...given: unknown[]) => Promise<unknown>
  Object.assign(promises, {
    [name]: async (...given: unknown[]) => {
      // Unpacking beside the state is most of the changes and the least of the danger.
      if (counting && !String(given[0]).includes('/restore/tree/')) changes += 1
      if (counting && changes === step) {
        if (how === 'kill') process.kill(process.pid, 'SIGKILL')
        changes += 1
        process.exitCode = 1
        throw Object.assign(new Error('The disk is full.'), { code: 'ENOSPC' })
      }
      return work(...given)
    },
  })
}
syncBuiltinESMExports()

const starts = [from !== 'undo']
const restores = createRestores({
  places: { slotDirectory: directory, configPath: 'openclaw.json' },
  control: controlOf(origin, slotId),
  exclusively: (work) => work(),
  stopOpenClaw: async () => startsAt('stop'),
  startOpenClaw: async () => {
    startsAt('undo')
    return starts.shift() ?? true
  },
  isWanted: () => true,
  log: () => undefined,
  retryMs: 20,
})
await restores.recover()
await restores.apply(restoreId)
process.exit()
