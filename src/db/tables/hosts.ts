import type { ColumnType } from 'kysely'

/** A host of a driver, as soon as an operator has said something about it. */
export interface HostsTable {
  driver: string
  name: string
  state: ColumnType<'active' | 'draining', 'active' | 'draining' | undefined, 'active' | 'draining'>
  changed_at: ColumnType<Date, Date | undefined, Date>
}
