import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { CompiledQuery } from 'kysely'
import { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Database } from '../db/database.ts'
import { consume } from './limiter.ts'

/** Attempts within seconds. */
interface RateLimit {
  attemptsMax: number
  seconds: number
}

export interface RateLimitOptions {
  logInPerAddress: RateLimit
  logInPerEmail: RateLimit
  signUpPerAddress: RateLimit
  verifyPerAddress: RateLimit
}

export const standardRateLimits: RateLimitOptions = {
  logInPerAddress: { attemptsMax: 50, seconds: 600 },
  logInPerEmail: { attemptsMax: 10, seconds: 600 },
  signUpPerAddress: { attemptsMax: 20, seconds: 3600 },
  verifyPerAddress: { attemptsMax: 50, seconds: 600 },
}

/** Counts attempts in PostgreSQL, so that all control planes count together and a restart forgets nothing. */
export interface RateLimits {
  /** Throws `rateLimited` when the address or the e-mail has had its attempts. Call it before checking the password. */
  logInAttempt(address: string, email: string): Promise<void>
  /** Whoever knows the password was not guessing: gives the e-mail its attempts back. */
  logInSucceeded(email: string): Promise<void>
  signUpAttempt(address: string): Promise<void>
  /** Of opening links that confirm an e-mail address. */
  verifyAttempt(address: string): Promise<void>
}

export function createRateLimits(deps: { database: Database; limits?: RateLimitOptions }): RateLimits {
  const limits = deps.limits ?? standardRateLimits
  const limiter = (name: string, limit: RateLimit): RateLimiterPostgres =>
    new RateLimiterPostgres({
      storeClient: storeOf(deps.database),
      storeType: 'pool',
      tableName: 'rate_limits',
      // A migration made it: the role here may create no table.
      tableCreated: true,
      keyPrefix: name,
      points: limit.attemptsMax,
      duration: limit.seconds,
    })
  const logInPerAddress = limiter('log_in_address', limits.logInPerAddress)
  const logInPerEmail = limiter('log_in_email', limits.logInPerEmail)
  const signUpPerAddress = limiter('sign_up_address', limits.signUpPerAddress)
  const verifyPerAddress = limiter('verify_address', limits.verifyPerAddress)

  return {
    logInAttempt: async (address, email) => {
      await consume(logInPerAddress, addressKey(address), tooMany)
      await consume(logInPerEmail, emailKey(email), tooMany)
    },
    logInSucceeded: async (email) => {
      await logInPerEmail.delete(emailKey(email))
    },
    signUpAttempt: (address) => consume(signUpPerAddress, addressKey(address), tooMany),
    verifyAttempt: (address) => consume(verifyPerAddress, addressKey(address), tooMany),
  }
}

/** The two members of a pg pool that the limiter uses, over the role that may write the table. */
function storeOf(database: Database) {
  return {
    query: ({ text, values }: { text: string; values: unknown[] }) =>
      database.asSystem(async (trx) => {
        const result = await trx.executeQuery(CompiledQuery.raw(text, values))
        return { rows: result.rows, rowCount: Number(result.numAffectedRows ?? result.rows.length) }
      }),
  }
}

const tooMany = (retryAfterSeconds: number): string =>
  `Too many attempts. Try again in ${retryAfterSeconds} seconds.`

/** One subscriber usually has a whole IPv6 /64, so its addresses count as one. */
function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped) return mapped
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? []
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const given = [...groups(head), ...groups(tail)]
  const zeros = address.includes('::') ? Array.from({ length: 8 - given.length }, () => '0') : []
  const all = [...groups(head), ...zeros, ...groups(tail)].map((group) =>
    Number.parseInt(group, 16).toString(16),
  )
  return `${all.slice(0, 4).join(':')}::/64`
}

/** Addresses of people who never signed up do not belong in a table; a hash also fits its column. */
function emailKey(email: string): string {
  return createHash('sha256').update(email).digest('hex')
}
