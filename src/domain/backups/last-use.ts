import { type RawBuilder, sql } from 'kysely'

/** For queries on `instances`: when a person last used it, as the proxies know and as its supervisor has seen. */
const lastUsedAt = sql<Date>`greatest(instances.last_active_at,
  (select slots.active_at from slots where slots.instance_id = instances.id))`

/** For queries on `instances`: whether anything may have changed in it since, by a turn or by what a person did. */
export function isUsedSince(time: Date | RawBuilder<Date>): RawBuilder<boolean> {
  return sql<boolean>`(${lastUsedAt} > ${time} or exists (
    select from model_calls where model_calls.instance_id = instances.id and model_calls.started_at > ${time}))`
}
