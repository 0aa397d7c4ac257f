import type { BackupOrder } from '../../../supervisor/backup/backups.ts'
import { controlOf, slotBackupsOf } from './pipeline.ts'

/** A supervisor's half in a process of its own, to be killed: `DIRECTORY ORIGIN SLOT ORDER`. */
const [directory, origin, slotId, order] = process.argv.slice(2) as [string, string, string, string]
await slotBackupsOf(directory, controlOf(origin, slotId)).take(JSON.parse(order) as BackupOrder)
process.exit(0)
