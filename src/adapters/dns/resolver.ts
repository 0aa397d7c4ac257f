import { Resolver as NodeResolver } from 'node:dns/promises'
import type { Resolver } from '../../domain/domains/resolver.ts'

/** What servers say when there is no such record, as opposed to when something went wrong. */
const absent = new Set(['ENOTFOUND', 'ENODATA'])

/** The DNS servers of this machine. */
export function createResolver(options: { servers?: string[] } = {}): Resolver {
  const node = new NodeResolver({ timeout: 3_000, tries: 2 })
  if (options.servers) node.setServers(options.servers)
  const orEmpty = async <T>(records: Promise<T[]>): Promise<T[]> =>
    records.catch((error: NodeJS.ErrnoException) => {
      if (absent.has(error.code ?? '')) return []
      throw error
    })
  return {
    txt: async (name) => (await orEmpty(node.resolveTxt(name))).map((parts) => parts.join('')),
    cname: async (name) =>
      (await orEmpty(node.resolveCname(name))).map((target) => target.toLowerCase().replace(/\.$/, '')),
    addresses: async (name) =>
      (await Promise.all([orEmpty(node.resolve4(name)), orEmpty(node.resolve6(name))])).flat(),
  }
}
