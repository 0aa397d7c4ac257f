import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { RootSecret } from '../secrets.ts'

/** A person at one instance's own address. */
export interface Visit {
  userId: string
  /** The log-in that the visit came from, which it does not outlive. */
  familyId: string
  instanceId: string
  slug: string
  /** Who OpenClaw is told that the visitor is. */
  email: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** A visit that is about to begin: how long it may last is the cookie's to say. */
export type NewVisit = Omit<Visit, 'expiresAt'>

export interface VisitCookie {
  readonly name: string
  /** The Set-Cookie header that begins a visit. */
  issue(visit: NewVisit, now: Date): string
  /** The visit that a Cookie header proves for this name; undefined when it proves none. */
  read(cookieHeader: string | undefined, slug: string, now: Date): Visit | undefined
  /** The Cookie header without ours, or undefined when nothing is left. */
  strip(cookieHeader: string | undefined): string | undefined
}

/** A working day, for a browser that somebody forgot to log out of. Whoever logs out ends their visits at once. */
const visitSeconds = 12 * 60 * 60

const contentSchema: z.ZodType<Visit> = z.strictObject({
  userId: z.string(),
  familyId: z.string(),
  instanceId: z.string(),
  slug: z.string(),
  email: z.string(),
  expiresAt: z.number(),
})

/** Signed, so that nothing is stored; bound to person, instance and name, so that it proves nothing elsewhere. */
export function createVisitCookie(options: { secret: RootSecret; secure: boolean }): VisitCookie {
  const key = options.secret.deriveKey('visit cookie')
  // The prefix makes browsers refuse one that a neighbouring name set; they honour it over https only.
  const name = options.secure ? '__Host-reef_visit' : 'reef_visit'
  const sign = (content: string): Buffer => createHmac('sha256', key).update(content).digest()

  const open = (value: string, slug: string, now: Date): Visit | undefined => {
    const [content = '', signature = ''] = value.split('.')
    const given = Buffer.from(signature, 'base64url')
    const expected = sign(content)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    const parsed = contentSchema.safeParse(JSON.parse(Buffer.from(content, 'base64url').toString()))
    if (!parsed.success || parsed.data.slug !== slug || parsed.data.expiresAt <= now.getTime())
      return undefined
    return parsed.data
  }

  return {
    name,
    issue: (visit, now) => {
      const content = Buffer.from(
        JSON.stringify({ ...visit, expiresAt: now.getTime() + visitSeconds * 1000 } satisfies Visit),
      ).toString('base64url')
      return (
        `${name}=${content}.${sign(content).toString('base64url')}; Path=/; Max-Age=${visitSeconds}; ` +
        `HttpOnly; SameSite=Lax${options.secure ? '; Secure' : ''}`
      )
    },
    read: (cookieHeader, slug, now) => {
      // A neighbouring name can plant a second cookie of this name, so each is tried.
      for (const cookie of cookies(cookieHeader))
        if (cookie.name === name) {
          const visit = open(cookie.value, slug, now)
          if (visit) return visit
        }
      return undefined
    },
    strip: (cookieHeader) => {
      const rest = cookies(cookieHeader).filter((cookie) => cookie.name !== name)
      return rest.length > 0 ? rest.map((cookie) => cookie.text).join('; ') : undefined
    },
  }
}

function cookies(header: string | undefined): { name: string; value: string; text: string }[] {
  if (!header) return []
  return header.split(';').flatMap((part) => {
    const text = part.trim()
    if (text === '') return []
    const equals = text.indexOf('=')
    return equals === -1
      ? [{ name: text, value: '', text }]
      : [{ name: text.slice(0, equals).trim(), value: text.slice(equals + 1).trim(), text }]
  })
}
