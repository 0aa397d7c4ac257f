import type { Server } from '../../src/http/server.ts'

export interface WalkedRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** As the OpenAPI document writes it: `/api/orgs/{organizationId}`. */
  path: string
  parameters: string[]
  /** Whether the document says that it needs a caller. */
  secured: boolean
  hasBody: boolean
  /** Statuses that the document declares. */
  statuses: number[]
}

interface Operation {
  security?: object[]
  requestBody?: unknown
  responses?: Record<string, unknown>
}

/**
 * Every route of the OpenAPI document. A test that walks them all with ids of somebody else fails by default for a new
 * route: one whose parameter it has no foreign id for, or that answers anything but the one 404.
 */
export function routesOf(app: Server): WalkedRoute[] {
  const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, Operation>> }
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      // The document's methods are those of the routes, in lower case.
      method: method.toUpperCase() as WalkedRoute['method'],
      path,
      parameters: [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ''),
      secured: (operation.security ?? []).length > 0,
      hasBody: operation.requestBody !== undefined,
      statuses: Object.keys(operation.responses ?? {}).map(Number),
    })),
  )
}

/** The route's address with these ids. Throws for a parameter that `ids` does not name, so that none goes unwalked. */
export function fillPath(route: WalkedRoute, ids: Record<string, string>): string {
  return route.path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    const id = ids[name]
    if (id === undefined) throw new Error(`${route.method} ${route.path}: the walk has no id for ${name}`)
    return encodeURIComponent(id)
  })
}
