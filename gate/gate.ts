import type { Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { permittedAddresses } from './addresses.ts'
import { keepControl } from './control.ts'
import { createEgressProxy } from './egress.ts'
import type { GateEnvironment } from './environment.ts'
import { createInbound } from './inbound.ts'
import { type GateLimits, gateLimits } from './limits.ts'
import { createNames, dnsLookup, fileLookup, type Lookup } from './names.ts'
import { outerAddress } from './outer-address.ts'
import { gatePorts } from './protocol.ts'
import { createRelay } from './relay.ts'
import { createReports } from './reports.ts'
import { createSlots } from './slots.ts'

export interface GateOptions {
  log(line: string): void
  limits?: Partial<GateLimits>
  /** Tests choose free ones, 0 for any. */
  ports?: { relay: number; egress: number; inbound: number; supervisor: number }
  lookup?: Lookup
}

export interface Gate {
  readonly ports: { relay: number; egress: number; inbound: number }
  close(): Promise<void>
}

/** One gate: three listeners and the connection to the control plane. Without a policy all three refuse everybody. */
export async function startGate(environment: GateEnvironment, options: GateOptions): Promise<Gate> {
  const limits = { ...gateLimits, ...options.limits }
  const ports = options.ports ?? gatePorts
  const slots = createSlots()
  const reports = createReports()
  const dns = options.lookup ?? dnsLookup(limits.resolveSeconds)
  const names = createNames({
    isPermitted: permittedAddresses(environment.privateAllowed),
    lookup: environment.hostsFile ? fileLookup(environment.hostsFile, dns) : dns,
  })
  const relay = createRelay({ slots, controlUrl: environment.controlUrl, limits })
  const egress = createEgressProxy({ slots, names, reports, limits })
  const inbound = createInbound({ slots, token: environment.token, limits, supervisorPort: ports.supervisor })
  const inboundAddress = environment.inboundAddress ?? outerAddress()

  // Networks of slots come and go while the gate runs, so these listen on all addresses and tell slots by them.
  const listening = {
    relay: await listen(relay, '0.0.0.0', ports.relay),
    egress: await listen(egress, '0.0.0.0', ports.egress),
    inbound: await listen(inbound, inboundAddress, ports.inbound),
  }
  options.log(
    `relay at port ${listening.relay}, egress at ${listening.egress}, inbound at ${inboundAddress}:${listening.inbound}`,
  )
  const control = keepControl({
    ...environment,
    limits,
    reports,
    log: options.log,
    onPolicy: (policy) => slots.apply(policy),
  })

  return {
    ports: listening,
    close: async () => {
      control.close()
      // Empty: everything that is open on behalf of a slot closes.
      slots.apply({ slots: [] })
      await Promise.all([relay, egress, inbound].map(closeServer))
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closeServer(server: HttpServer | Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done())
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
}
