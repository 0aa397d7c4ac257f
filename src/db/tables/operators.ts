import type { Generated } from 'kysely'

export interface OperatorsTable {
  user_id: string
  appointed_by: string | null
  appointed_at: Generated<Date>
}
