import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, isIPv6 } from 'node:net'
import { permittedAddresses } from '../../../gate/addresses.ts'
import { createNames, dnsLookup, type Lookup } from '../../../gate/names.ts'
import type { WebhookSender } from '../../domain/credits/webhook-sender.ts'

export interface WebhookSenderOptions {
  /** Networks that are not public and may be posted to all the same, by the operator's word. Also without TLS. */
  privateAllowed: readonly string[]
  /** Tests give a DNS of their own. */
  lookup?: Lookup
  secondsMax?: number
}

/** The status is all that matters of an answer; what comes after this much is not read. */
const answerBytesMax = 64 * 1024

/**
 * Judges a URL's host as the gate judges what instances reach: the name is resolved here, once, and the connection goes
 * to exactly an address that was judged, so that a name that changes its mind in between reaches nothing.
 */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const isPermitted = permittedAddresses(options.privateAllowed)
  const secondsMax = options.secondsMax ?? 10
  const names = createNames({ isPermitted, lookup: options.lookup ?? dnsLookup(secondsMax / 2) })

  const refusalOf = (text: string): string | undefined => {
    if (!URL.canParse(text)) return 'It is not a URL.'
    const url = new URL(text)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && options.privateAllowed.length > 0))
      return 'It must begin with https://.'
    if (url.username || url.password) return 'It may hold no user name and no password.'
    const host = hostOf(url)
    return isIP(host) && !isPermitted(host) ? 'It leads to an address that is not public.' : undefined
  }

  const addressOf = async (url: URL): Promise<string> => {
    const host = hostOf(url)
    if (isIP(host)) return host
    const resolved = await names.resolve(host)
    if (resolved.kind === 'private') throw new Error(`${host} leads to an address that is not public.`)
    const address = resolved.kind === 'addresses' ? resolved.addresses[0] : undefined
    if (address === undefined) throw new Error(`${host} is not known to DNS.`)
    return address
  }

  return {
    refusalOf,
    post: async ({ url: text, headers, body }) => {
      const refusal = refusalOf(text)
      if (refusal !== undefined) throw new Error(refusal)
      const url = new URL(text)
      const deadline = AbortSignal.timeout(secondsMax * 1000)
      const address = await before(deadline, addressOf(url))
      const status = await send({ url, address, headers, body, deadline })
      if (status >= 300 && status < 400)
        throw new Error(`It answered ${status}: redirects are not followed. Name the final address.`)
      if (status < 200 || status >= 300) throw new Error(`It answered ${status}.`)
    },
  }
}

interface Sending {
  url: URL
  address: string
  headers: Record<string, string>
  body: string
  deadline: AbortSignal
}

/** Resolves with the status as soon as it is there. */
function send({ url, address, headers, body, deadline }: Sending): Promise<number> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        // A connection of its own: one from a pool could be to an address that was judged for another time.
        agent: false,
        // Asked for names only; a literal address was judged as it is.
        lookup: (_host, lookupOptions, answer) => {
          const family = isIPv6(address) ? 6 : 4
          if (lookupOptions.all) answer(null, [{ address, family }])
          else answer(null, address, family)
        },
        signal: deadline,
      },
      (response) => {
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > answerBytesMax) response.destroy()
        })
        response.on('error', () => undefined)
        resolve(response.statusCode ?? 0)
        // Whatever it still says, nobody waits for it.
        response.on('end', () => sent.destroy())
      },
    )
    sent.on('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(wordsOf(error, deadline), { cause: error })),
    )
    sent.end(body)
  })
}

/** What failed, without what only the machine knows. */
function wordsOf(error: NodeJS.ErrnoException, deadline: AbortSignal): string {
  if (deadline.aborted) return 'It did not answer in time.'
  return `It cannot be reached${error.code ? ` (${error.code})` : ''}.`
}

function before<T>(deadline: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener('abort', () => reject(new Error('It did not answer in time.')), { once: true })
    work.then(resolve, reject)
  })
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}
