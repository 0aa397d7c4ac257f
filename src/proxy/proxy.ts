import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { proxyTokenHeader } from '../../supervisor/protocol.ts'
import type { Clock } from '../clock.ts'
import type { Authenticator, LogIns } from '../domain/accounts/principal.ts'
import type { InstanceTargets } from '../domain/instances/target.ts'
import { createFronts, type Fronts } from '../fronts.ts'
import { type RootSecret, randomToken } from '../secrets.ts'
import type { Logger } from '../telemetry/log.ts'
import { createAccess } from './access.ts'
import { createUploads } from './body.ts'
import { createDialer } from './dial.ts'
import { createForwarder } from './forward.ts'
import { openListener } from './listener.ts'
import type { ProxyAttendance } from './readiness.ts'
import { createRequestHandler } from './requests.ts'
import { createTabs } from './tabs.ts'
import { createUpgradeHandler } from './upgrades.ts'
import { createUpstreams, type LocalOpenclaw, localUpstream } from './upstream.ts'
import { createVisitCookie } from './visit-cookie.ts'
import { createVisitors } from './visitors.ts'
import type { Visits } from './visits.ts'

/** The way to the instances: a listener of its own, so that no traffic of theirs passes through the API. */
export interface ProxyListener {
  readonly server: Server
  /** Resolves to the port, which is a free one for 0. */
  listen(host: string, port: number): Promise<number>
  /** Takes nothing new, ends WebSockets, lets requests finish for `graceSeconds` and then cuts them off. */
  close(graceSeconds?: number): Promise<void>
}

export interface ProxyDeps {
  authenticator: Authenticator
  logIns: LogIns
  targets: InstanceTargets
  attendance: ProxyAttendance
  visits: Pick<Visits, 'redeem'>
  secret: RootSecret
  clock: Clock
  log: Logger
  /** Instances answer at SLUG.domain. */
  domain: string
  /** Where people reach the proxy; its scheme decides whether cookies are Secure. */
  publicUrl: string
  dashboardUrl: string
  /** The slug that a verified domain of somebody's own stands for. */
  findCustomSlug?: ((hostname: string) => Promise<string | undefined>) | undefined
  /** Reverse proxies whose word on the client's address is believed; none without it. */
  fronts?: Fronts | undefined
  /** Origins from which a page may call /v1 and /api/sessions. */
  dashboardOrigins: readonly string[]
  /** An OpenClaw that answers /v1 for everyone who is logged in, in place of their instances. */
  localOpenclaw?: LocalOpenclaw | undefined
  /** When a request is over. The route is a kind from a closed list and names nobody. */
  onRequest?: ((outcome: { route: string; status: number; seconds: number }) => void) | undefined
  limits?: Partial<ProxyLimits> | undefined
}

export interface ProxyLimits {
  /** How long a request waits for an instance that wakes or starts. */
  holdSeconds: number
  dialSeconds: number
  /** Until an instance begins to answer. */
  headersSeconds: number
  bodyBytesMax: number
  /** A client that stalls in mid-body for so long is given up on. */
  uploadStallSeconds: number
  /** For the whole head of a request to arrive. */
  requestHeadSeconds: number
  /** How long who may reach what is used again without asking. */
  rememberedMilliseconds: number
}

const standardLimits: ProxyLimits = {
  // A cold boot in a container takes up to 20 s, and balancers in front commonly give up after 60.
  holdSeconds: 45,
  dialSeconds: 2,
  headersSeconds: 15 * 60,
  bodyBytesMax: 32 * 1024 * 1024,
  uploadStallSeconds: 10,
  requestHeadSeconds: 10,
  // The ports may each be up to a second behind already; this adds little to it and still answers all but a few
  // requests per second from memory.
  rememberedMilliseconds: 250,
}

const sweepMilliseconds = 1_000

export function createProxy(deps: ProxyDeps): ProxyListener {
  const limits = { ...standardLimits, ...deps.limits }
  const publicUrl = new URL(deps.publicUrl)
  const cookie = createVisitCookie({ secret: deps.secret, secure: publicUrl.protocol === 'https:' })
  const access = createAccess({ ...deps, cookie, rememberedMilliseconds: limits.rememberedMilliseconds })
  const visitors = createVisitors(access.mayStay)
  const uploads = createUploads(limits)
  const dialer = createDialer(deps.secret, limits)
  const forwarder = createForwarder({ ...limits, dialer, log: deps.log })
  const shared = {
    access,
    attendance: deps.attendance,
    tabs: createTabs(),
    cookie,
    visitors,
    limits,
    dialer,
    log: deps.log,
    names: { domain: deps.domain, own: new Set([publicUrl.hostname]), findSlug: deps.findCustomSlug },
    fronts: deps.fronts ?? createFronts({ token: randomToken(), trusted: [] }),
    scheme: publicUrl.protocol.replace(':', ''),
    upstreamOf: createUpstreams(deps.secret, proxyTokenHeader),
    onRequest: deps.onRequest,
  }
  const handleRequest = createRequestHandler({
    ...shared,
    uploads,
    forwarder,
    visits: deps.visits,
    clock: deps.clock,
    dashboardUrl: deps.dashboardUrl,
    dashboardOrigins: new Set(deps.dashboardOrigins),
    local: deps.localOpenclaw && localUpstream(deps.localOpenclaw),
  })
  const listener = openListener(limits.requestHeadSeconds, handleRequest, createUpgradeHandler(shared))
  const { server } = listener
  const sweep = setInterval(() => {
    uploads.sweep()
    void visitors.sweep()
  }, sweepMilliseconds).unref()

  return {
    server,
    listen: (host, port) =>
      new Promise((done, fail) => {
        server.once('error', fail)
        server.listen(port, host, () => {
          server.off('error', fail)
          done((server.address() as AddressInfo).port)
        })
      }),
    close: async (graceSeconds = 10) => {
      listener.drain()
      const closed = new Promise<void>((done) => server.close(() => done()))
      // A WebSocket has no natural end to wait for; its client connects again, elsewhere or later.
      visitors.endAll()
      const cut = setTimeout(() => {
        server.closeAllConnections()
        visitors.endAll()
      }, graceSeconds * 1000)
      await closed
      clearTimeout(cut)
      clearInterval(sweep)
      await forwarder.close()
    },
  }
}
