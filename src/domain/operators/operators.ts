import { sql } from 'kysely'
import type { Database, Trx } from '../../db/database.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import type { Principal } from '../accounts/principal.ts'

export interface Operator {
  userId: string
  name: string
  email: string
  appointedAt: Date
}

/** Who runs this Reef. Being an operator is no role in any organization and opens nobody's conversations. */
export interface Operators {
  isOperator(userId: string): Promise<boolean>
  /** Throws the same 404 as for a path that does not exist, also for every API key: operating is done in person. */
  requireOperator(principal: Principal): Promise<void>
  list(): Promise<Operator[]>
  /** The person must have signed up. Appointing an operator again changes nothing. */
  appoint(by: Principal, email: string): Promise<Operator[]>
  /** The last one stays: without any, nobody could appoint the next. */
  dismiss(userId: string): Promise<Operator[]>
}

export function createOperators(database: Database): Operators {
  const isOperator = (userId: string): Promise<boolean> =>
    database.asSystem(async (trx) => {
      const row = await trx
        .selectFrom('operators')
        .select('user_id')
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return row !== undefined
    })
  const list = (): Promise<Operator[]> => database.asSystem(selectOperators)

  return {
    isOperator,
    list,
    requireOperator: async (principal) => {
      if (principal.kind !== 'person' || !(await isOperator(principal.userId)))
        throw notFound('the caller is no operator')
    },
    appoint: (by, email) =>
      database.asSystem(async (trx) => {
        const person = await trx
          .selectFrom('users')
          .select('id')
          .where('email', '=', email.trim().toLowerCase())
          .executeTakeFirst()
        if (person === undefined)
          throw invalid('email', 'Nobody with this e-mail address has signed up. Let them sign up first.')
        await trx
          .insertInto('operators')
          .values({ user_id: person.id, appointed_by: by.userId })
          .onConflict((existing) => existing.doNothing())
          .execute()
        return selectOperators(trx)
      }),
    dismiss: (userId) =>
      database.asSystem(async (trx) => {
        await lockOperators(trx)
        const operators = await selectOperators(trx)
        if (!operators.some((operator) => operator.userId === userId)) throw notFound('no such operator')
        if (operators.length === 1)
          throw conflict('last_operator', 'This is the last operator. Appoint another one first.')
        await trx.deleteFrom('operators').where('user_id', '=', userId).execute()
        return selectOperators(trx)
      }),
  }
}

/**
 * Whoever signs up first runs this Reef. In the sign-up's own transaction, so that two at once make one operator. Answers
 * whether it is this one.
 */
export async function appointFirst(trx: Trx, userId: string): Promise<boolean> {
  const some = await trx.selectFrom('operators').select('user_id').limit(1).executeTakeFirst()
  if (some !== undefined) return false
  await lockOperators(trx)
  const { numAffectedRows } =
    await sql`insert into operators (user_id) select ${userId} where not exists (select from operators)`.execute(
      trx,
    )
  return numAffectedRows === 1n
}

const lockOperators = (trx: Trx) => sql`lock table operators in share row exclusive mode`.execute(trx)

function selectOperators(trx: Trx): Promise<Operator[]> {
  return trx
    .selectFrom('operators')
    .innerJoin('users', 'users.id', 'operators.user_id')
    .select(['users.id as userId', 'users.name', 'users.email', 'operators.appointed_at as appointedAt'])
    .orderBy('operators.appointed_at')
    .orderBy('users.id')
    .execute()
}
