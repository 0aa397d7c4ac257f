import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import type { IsPermitted } from './addresses.ts'

export type Resolved =
  | { kind: 'addresses'; addresses: string[] }
  /** The name stands only for addresses that no instance may reach. */
  | { kind: 'private' }
  | { kind: 'unknown' }

/** Resolves on behalf of instances, which have no DNS of their own. */
export interface Names {
  /** The permitted addresses of a name, IPv4 first. The caller connects to one of these and asks nobody again. */
  resolve(host: string): Promise<Resolved>
}

export type Lookup = (host: string) => Promise<string[]>

export function createNames(options: { isPermitted: IsPermitted; lookup: Lookup }): Names {
  return {
    resolve: async (host) => {
      const all = await options.lookup(host)
      const addresses = all.filter(options.isPermitted)
      if (addresses.length > 0) return { kind: 'addresses', addresses }
      return { kind: all.length > 0 ? 'private' : 'unknown' }
    },
  }
}

/** Asks DNS, and neither /etc/hosts nor whatever else the machine believes. Empty when nobody knows the name. */
export function dnsLookup(seconds: number): Lookup {
  const resolver = new Resolver({ timeout: (seconds * 1000) / 2, tries: 2 })
  return async (host) => {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }
}

/** Takes names from a file like /etc/hosts first. */
export function fileLookup(path: string, otherwise: Lookup): Lookup {
  return async (host) => {
    const text = await readFile(path, 'utf8').catch(() => '')
    const found = text
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
      .filter(([, ...names]) => names.includes(host))
      .map(([address]) => address as string)
    return found.length > 0 ? found : otherwise(host)
  }
}
