import type { SettledCall } from './call-store.ts'

/**
 * What this control plane has to remember of model calls across its own death and the database's absence. Kept beside the
 * process, since it is needed exactly when the database is not there. What is written survives kill -9 of this process; a
 * machine that dies may take the last moments along.
 */
export interface CallJournal {
  /** What an earlier process of this control plane had open when it ended. Asked once, before anything is written. */
  readonly left: JournalLeft
  /** Before a call is admitted. */
  opened(callId: string): void
  /** Before its settlement is handed to the database. */
  ended(settled: SettledCall): void
  /** The database knows all about it, or it was not made after all. */
  closed(callId: string): void
  close(): void
}

export interface JournalLeft {
  /** Ended, and perhaps not settled. */
  ended: SettledCall[]
  /** Under way when the process died. Nobody is alive who could still settle them. */
  open: string[]
}
