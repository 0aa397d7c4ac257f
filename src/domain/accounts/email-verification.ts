import type { Clock } from '../../clock.ts'
import type { Database, Trx } from '../../db/database.ts'
import { conflict, ReefError } from '../../errors.ts'
import { randomToken, sha256 } from '../../secrets.ts'
import type { Trials } from '../credits/trial.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Person } from './identity.ts'
import type { Principal } from './principal.ts'

/** Proves that a person reads the address that they signed up with. Where no mail can be sent nothing is to be proven. */
export interface EmailVerification {
  readonly needed: boolean
  /** Mails the link to somebody new, without letting them wait for the mail server. A lost mail is sent again on demand. */
  welcome(person: Person): void
  /** Mails another link; the ones before stay good for their time. */
  resend(principal: Principal): Promise<void>
  /** By the token of a link, which is good once and for a day. */
  confirm(token: string): Promise<void>
  /** The address that a person still has to prove, and whether trial credits wait for it. */
  findPending(userId: string): Promise<{ email: string; trial: boolean } | null>
}

export interface EmailVerificationDeps {
  database: Database
  clock: Clock
  mailer: Mailer | undefined
  trials: Pick<Trials, 'verified'>
  /** Where people reach the dashboard. */
  publicUrl: () => string
  onError: (error: unknown) => void
}

const linkHours = 24
/** Links that one person is sent within an hour. */
const linksPerHourMax = 5
const hourMilliseconds = 3_600_000

export function createEmailVerification(deps: EmailVerificationDeps): EmailVerification {
  const { database, clock, mailer } = deps

  const send = async (person: Person, through: Mailer): Promise<void> => {
    const token = randomToken()
    await database.asSystem((trx) => insertLink(trx, person, token, clock.now()))
    await through.send({
      to: person.email,
      subject: '[Reef] Confirm your e-mail address',
      paragraphs: [
        `Hello ${person.name},`,
        'somebody signed up to Reef with this address. If it was you, confirm it with the link below.',
        `The link is good once, for ${linkHours} hours. If it was not you, do nothing.`,
      ],
      // Behind the #: no server on the way gets to see or log it.
      link: {
        label: 'Confirm this address',
        url: `${deps.publicUrl().replace(/\/$/, '')}/verify-email#token=${token}`,
      },
    })
  }

  return {
    needed: mailer !== undefined,

    welcome: (person) => {
      if (mailer) send(person, mailer).catch(deps.onError)
    },

    resend: async (principal) => {
      if (!mailer) throw conflict('mail_off', 'This Reef sends no mail, so there is nothing to confirm.')
      const user = await database.asSystem((trx) => getUser(trx, principal.userId))
      if (user.email_verified) throw conflict('email_verified', 'Your e-mail address is confirmed already.')
      await send(user, mailer).catch((error: unknown) => {
        if (error instanceof ReefError) throw error
        throw new ReefError('unavailable', {
          code: 'mail_failed',
          message: 'The mail could not be sent at the moment. Try again in a few minutes.',
          retryAfterSeconds: 120,
          cause: error,
        })
      })
    },

    confirm: (token) =>
      database.asSystem(async (trx) => {
        const link = await trx
          .deleteFrom('email_verifications')
          .where('token_hash', '=', sha256(token))
          .where('expires_at', '>', clock.now())
          .returning(['user_id', 'email'])
          .executeTakeFirst()
        if (!link) throw linkOver()
        const { numUpdatedRows } = await trx
          .updateTable('users')
          .set({ email_verified: true, updated_at: clock.now() })
          .where('id', '=', link.user_id)
          .where('email', '=', link.email)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw linkOver()
        await trx.deleteFrom('email_verifications').where('user_id', '=', link.user_id).execute()
        await deps.trials.verified(trx, link.user_id)
      }),

    findPending: async (userId) => {
      if (!mailer) return null
      return database.asSystem(async (trx) => {
        const user = await getUser(trx, userId)
        if (user.email_verified) return null
        const trial = await trx
          .selectFrom('trials')
          .select('state')
          .where('user_id', '=', userId)
          .executeTakeFirst()
        return { email: user.email, trial: trial?.state === 'verification' }
      })
    },
  }
}

function linkOver() {
  return conflict(
    'link_over',
    'This link was used before or is too old. If the dashboard still asks for it, have another one sent.',
  )
}

async function insertLink(trx: Trx, person: Person, token: string, now: Date): Promise<void> {
  // Requests of one person at the same moment take turns, so that they are counted.
  await trx.selectFrom('users').select('id').where('id', '=', person.id).forUpdate().execute()
  await trx.deleteFrom('email_verifications').where('expires_at', '<', now).execute()
  const sent = await trx
    .selectFrom('email_verifications')
    .select('created_at')
    .where('user_id', '=', person.id)
    .where('created_at', '>', new Date(now.getTime() - hourMilliseconds))
    .orderBy('created_at')
    .execute()
  if (sent.length >= linksPerHourMax)
    throw new ReefError('rateLimited', {
      code: 'rate_limited',
      message:
        'Several mails were sent within the last hour. Look for them, also among spam, and try again later.',
      retryAfterSeconds: ((sent[0]?.created_at.getTime() ?? 0) + hourMilliseconds - now.getTime()) / 1000,
    })
  await trx
    .insertInto('email_verifications')
    .values({
      token_hash: sha256(token),
      user_id: person.id,
      email: person.email,
      created_at: now,
      expires_at: new Date(now.getTime() + linkHours * hourMilliseconds),
    })
    .execute()
}

function getUser(trx: Trx, userId: string) {
  return trx
    .selectFrom('users')
    .select(['id', 'email', 'name', 'email_verified'])
    .where('id', '=', userId)
    .executeTakeFirstOrThrow()
}
