import type { Database, Trx } from '../../db/database.ts'
import type { EgressMode } from '../../db/tables/egress.ts'
import { conflict, invalid, notFound } from '../../errors.ts'
import { type Principal, requireRole, requireScope } from '../accounts/principal.ts'
import type { ComputeDrivers } from '../instances/drivers.ts'
import type { InstanceService } from '../instances/service.ts'
import { type DeniedDomain, listDenied, portsToAllow } from './denied.ts'
import { effectiveEgress } from './effective.ts'
import { parseDomain } from './pattern.ts'
import { presets } from './presets.ts'
import { deleteRule, hint, putRules, writeMode } from './rules.ts'
import { type EgressView, loadView, type Place } from './view.ts'

/** Whose list: the one of the organization acted in, which holds for all of its instances, or one instance's own. */
export type EgressOf = 'organization' | { instanceId: string }

/** What instances may reach. Every change applies to what runs within a second; each method answers what holds then. */
export interface EgressService {
  get(principal: Principal, of: EgressOf): Promise<EgressView>
  setMode(principal: Principal, of: EgressOf, mode: EgressMode | null): Promise<EgressView>
  /** Adds a rule, or replaces the ports of the one for the same domain. */
  putRule(principal: Principal, of: EgressOf, rule: { domain: string; ports: number[] }): Promise<EgressView>
  deleteRule(principal: Principal, of: EgressOf, domain: string): Promise<EgressView>
  applyPreset(principal: Principal, of: EgressOf, presetId: string): Promise<EgressView>
  /** What the instance was refused lately, the latest first. */
  denied(principal: Principal, instanceId: string): Promise<DeniedDomain[]>
  /** Allows what was refused, with the ports that were asked for. */
  allowDenied(principal: Principal, instanceId: string, domain: string): Promise<EgressView>
}

export interface EgressServiceDeps {
  database: Database
  instances: Pick<InstanceService, 'get'>
  drivers: ComputeDrivers
  openPermitted: boolean
}

export function createEgress(deps: EgressServiceDeps): EgressService {
  const { database, openPermitted } = deps

  const place = async (principal: Principal, of: EgressOf, access: 'read' | 'write'): Promise<Place> => {
    const { organizationId } = principal
    if (of === 'organization') {
      requireScope(principal, access === 'read' ? 'organization:read' : 'organization:write')
      if (access === 'write') requireRole(principal, 'admin')
      return { organizationId, instanceId: null, driver: deps.drivers.current }
    }
    requireScope(principal, access === 'read' ? 'instances:read' : 'instances:write')
    const instance = await deps.instances.get(principal, of.instanceId)
    return { organizationId, instanceId: instance.id, driver: await deps.drivers.get(instance.driver) }
  }

  const view = (at: Place): Promise<EgressView> =>
    database.inTenant(at.organizationId, (trx) => loadView(trx, at, openPermitted))

  const change = async (
    principal: Principal,
    of: EgressOf,
    write: (trx: Trx, at: Place) => Promise<unknown>,
  ): Promise<EgressView> => {
    const at = await place(principal, of, 'write')
    await database.inTenant(at.organizationId, async (trx) => {
      await write(trx, at)
      await hint(trx, at)
    })
    return view(at)
  }

  return {
    get: async (principal, of) => view(await place(principal, of, 'read')),

    setMode: (principal, of, mode) =>
      change(principal, of, async (trx, at) => {
        if (mode === 'open' && effectiveEgress({ mode, rules: [] }, null, openPermitted).mode !== 'open')
          throw conflict(
            'egress_open_not_permitted',
            'The operator of this Reef does not permit open egress. Allow the domains that are needed, or ask the operator to set REEF_EGRESS_OPEN=1.',
          )
        await writeMode(trx, at, mode)
      }),

    putRule: (principal, of, rule) =>
      change(principal, of, (trx, at) =>
        putRules(trx, principal.userId, at, [{ domain: parseDomain(rule.domain), ports: rule.ports }]),
      ),

    deleteRule: (principal, of, domain) =>
      change(principal, of, async (trx, at) => {
        if (!(await deleteRule(trx, at, parseDomain(domain)))) throw notFound('no such rule')
      }),

    applyPreset: (principal, of, presetId) =>
      change(principal, of, (trx, at) => {
        const preset = presets.find((one) => one.id === presetId)
        if (!preset)
          throw invalid(
            'preset',
            `There is no such preset. There are: ${presets.map((one) => one.id).join(', ')}.`,
          )
        return putRules(
          trx,
          principal.userId,
          at,
          preset.domains.map((domain) => ({ domain, ports: [] })),
        )
      }),

    denied: async (principal, instanceId) => {
      const at = await place(principal, { instanceId }, 'read')
      return database.inTenant(at.organizationId, (trx) => listDenied(trx, instanceId))
    },

    allowDenied: (principal, instanceId, domain) =>
      change(principal, { instanceId }, async (trx, at) => {
        const name = parseDomain(domain)
        const ports = await portsToAllow(trx, instanceId, name)
        await putRules(trx, principal.userId, at, [{ domain: name, ports }])
      }),
  }
}
