import { type RawBuilder, sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { invalid } from '../../errors.ts'
import { type Principal, requireScope } from '../accounts/principal.ts'

export const usageGroupings = ['day', 'model', 'instance', 'member', 'agent'] as const
export type UsageGrouping = (typeof usageGroupings)[number]

export interface UsageQuery {
  from: Date
  /** Not included. */
  to: Date
  by: UsageGrouping
  /** Splits each group further. */
  by2?: UsageGrouping | undefined
}

/** What was used and what it cost, in micro-credits. */
export interface UsageSums {
  /** Calls of models that have ended. */
  calls: number
  /** The cached and the written part included. */
  inputTokens: number
  cachedInputTokens: number
  cacheWriteInputTokens: number
  /** Reasoning included. */
  outputTokens: number
  reasoningTokens: number
  runningMilliseconds: number
  suspendedMilliseconds: number
  storedMilliseconds: number
  modelCost: number
  runtimeCost: number
}

/** One group. What it is not grouped by is null, and so is the model of what instances cost by running. */
export interface UsageRow extends UsageSums {
  /** `2026-11-21`, UTC. */
  day: string | null
  /** PROVIDER/MODEL. */
  model: string | null
  instance: Named | null
  member: Named | null
  /** Null also for what no agent of a team has used. */
  agentId: string | null
}

interface Named {
  id: string
  /** Null for somebody or something that is no longer there. */
  name: string | null
}

export interface UsageReport {
  rows: UsageRow[]
  total: UsageSums
}

export interface UsageReports {
  /** What the organization used; ordinary members get what they used themselves. */
  report(principal: Principal, query: UsageQuery): Promise<UsageReport>
}

const dayMilliseconds = 86_400_000
export const usageDaysMax = 400
/** Far above what anybody reads, far below what an answer can carry. */
const rowsMax = 5_000

export function createUsageReports(database: Database): UsageReports {
  return {
    report: (principal, query) => {
      requireScope(principal, 'credits:read')
      checkQuery(query)
      return database.inTenant(principal.organizationId, async (trx) => {
        const found = await selectGroups(trx, principal, query)
        if (found.length > rowsMax)
          throw invalid(
            query.by2 ? 'by2' : 'by',
            `That is more than ${rowsMax.toLocaleString('en')} groups. Ask for a shorter time or for fewer groups.`,
          )
        const names = await selectNames(trx, query, found)
        return { rows: found.map((group) => rowOf(group, query, names)), total: totalOf(found) }
      })
    },
  }
}

function checkQuery({ from, to, by, by2 }: UsageQuery): void {
  if (by2 === by) throw invalid('by2', `It is grouped by ${by} already. Split it by something else.`)
  const days = (to.getTime() - from.getTime()) / dayMilliseconds
  if (days <= 0) throw invalid('from', 'The time ends before it begins. Set from before to.')
  if (days > usageDaysMax)
    throw invalid('from', `At most ${usageDaysMax} days at once. Set from later or to earlier.`)
}

interface FoundGroup extends UsageSums {
  key: string | null
  key2: string | null
}

/** Where the answer to "whose, which, when" stands in each of the two tables. */
const callKeys: Record<UsageGrouping, RawBuilder<unknown>> = {
  day: sql`(started_at at time zone 'UTC')::date::text`,
  model: sql`provider || '/' || model`,
  instance: sql`instance_id::text`,
  member: sql`user_id::text`,
  agent: sql`agent_id::text`,
}
const runtimeKeys: Record<UsageGrouping, RawBuilder<unknown>> = {
  // A window that ends at midnight belongs to the day that it ends.
  day: sql`((window_end - interval '1 millisecond') at time zone 'UTC')::date::text`,
  model: sql`null::text`,
  instance: sql`instance_id::text`,
  member: sql`user_id::text`,
  agent: sql`agent_id::text`,
}
const noKey = sql`null::text`

async function selectGroups(trx: Trx, principal: Principal, query: UsageQuery): Promise<FoundGroup[]> {
  const { from, to, by, by2 } = query
  const mine = principal.role === 'member' ? sql`user_id = ${principal.userId}` : sql`true`
  const milliseconds = (state: string) =>
    sql`coalesce(sum(milliseconds) filter (where state = ${state}), 0)::bigint`
  const { rows } = await sql<FoundGroup>`
    with calls as (
      select ${callKeys[by]} as key, ${by2 ? callKeys[by2] : noKey} as key2, count(*) as calls,
        coalesce(sum(input_tokens), 0)::bigint as input, coalesce(sum(cached_input_tokens), 0)::bigint as cached,
        coalesce(sum(cache_write_input_tokens), 0)::bigint as written,
        coalesce(sum(output_tokens), 0)::bigint as output, coalesce(sum(reasoning_tokens), 0)::bigint as reasoning,
        coalesce(sum(cost), 0)::bigint as cost
      from model_calls
      where organization_id = ${principal.organizationId} and started_at >= ${from} and started_at < ${to}
        and outcome <> 'pending' and ${mine}
      group by 1, 2
    ), runtime as (
      select ${runtimeKeys[by]} as key, ${by2 ? runtimeKeys[by2] : noKey} as key2,
        ${milliseconds('running')} as running, ${milliseconds('suspended')} as suspended,
        ${milliseconds('stored')} as stored, coalesce(sum(cost), 0)::bigint as cost
      from runtime_usage
      where organization_id = ${principal.organizationId} and window_end > ${from} and window_end <= ${to} and ${mine}
      group by 1, 2
    ), keys as (
      select key, key2 from calls union select key, key2 from runtime
    )
    select keys.key, keys.key2, coalesce(calls.calls, 0) as calls,
      coalesce(calls.input, 0) as "inputTokens", coalesce(calls.cached, 0) as "cachedInputTokens",
      coalesce(calls.written, 0) as "cacheWriteInputTokens", coalesce(calls.output, 0) as "outputTokens",
      coalesce(calls.reasoning, 0) as "reasoningTokens", coalesce(runtime.running, 0) as "runningMilliseconds",
      coalesce(runtime.suspended, 0) as "suspendedMilliseconds", coalesce(runtime.stored, 0) as "storedMilliseconds",
      coalesce(calls.cost, 0) as "modelCost", coalesce(runtime.cost, 0) as "runtimeCost"
    from keys
    left join calls on calls.key is not distinct from keys.key and calls.key2 is not distinct from keys.key2
    left join runtime on runtime.key is not distinct from keys.key and runtime.key2 is not distinct from keys.key2
    order by ${by === 'day' ? sql`keys.key,` : sql``}
      coalesce(calls.cost, 0) + coalesce(runtime.cost, 0) desc, keys.key, keys.key2
    limit ${rowsMax + 1}`.execute(trx)
  return rows
}

type Names = ReadonlyMap<string, string>

/** Of what the groups are about, as far as it is still there. */
async function selectNames(trx: Trx, { by, by2 }: UsageQuery, groups: FoundGroup[]): Promise<Names> {
  const idsOf = (grouping: UsageGrouping) => [
    ...new Set(
      groups
        .flatMap(({ key, key2 }) => [by === grouping ? key : null, by2 === grouping ? key2 : null])
        .filter((id) => id !== null),
    ),
  ]
  const [instanceIds, userIds] = [idsOf('instance'), idsOf('member')]
  const instances =
    instanceIds.length === 0
      ? []
      : await trx.selectFrom('instances').select(['id', 'name']).where('id', 'in', instanceIds).execute()
  const members =
    userIds.length === 0
      ? []
      : await trx
          .selectFrom('members')
          .select(['user_id as id', 'name'])
          .where('user_id', 'in', userIds)
          .execute()
  return new Map([...instances, ...members].map(({ id, name }) => [id, name]))
}

function rowOf({ key, key2, ...sums }: FoundGroup, { by, by2 }: UsageQuery, names: Names): UsageRow {
  const keyOf = (grouping: UsageGrouping) => (by === grouping ? key : by2 === grouping ? key2 : null)
  const named = (id: string | null): Named | null =>
    id === null ? null : { id, name: names.get(id) ?? null }
  return {
    day: keyOf('day'),
    model: keyOf('model'),
    instance: named(keyOf('instance')),
    member: named(keyOf('member')),
    agentId: keyOf('agent'),
    ...sums,
  }
}

function totalOf(groups: readonly UsageSums[]): UsageSums {
  const total: UsageSums = {
    calls: 0,
    inputTokens: 0,
    cachedInputTokens: 0,
    cacheWriteInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    runningMilliseconds: 0,
    suspendedMilliseconds: 0,
    storedMilliseconds: 0,
    modelCost: 0,
    runtimeCost: 0,
  }
  for (const group of groups)
    for (const name of Object.keys(total) as (keyof UsageSums)[]) total[name] += group[name]
  return total
}
