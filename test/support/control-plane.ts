import { createFakeDriver, type FakeDriver, type FakeDriverOptions } from '../../src/compute/fake/driver.ts'
import { createFakeLink } from '../../src/compute/fake/link.ts'
import { createFakeMachines, type FakeMachines } from '../../src/compute/fake/machines.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { openListener } from '../../src/db/listen.ts'
import type { Principal } from '../../src/domain/accounts/principal.ts'
import { scopes } from '../../src/domain/accounts/principal.ts'
import type { RuntimePrice } from '../../src/domain/credits/prices.ts'
import { type RuntimeTimes, runtimeTimes } from '../../src/domain/credits/runtime-charge.ts'
import { createLaunchCredits } from '../../src/domain/credits/runtime-launch.ts'
import { createRuntimeSweep, type RuntimeSweep } from '../../src/domain/credits/runtime-sweep.ts'
import type { ComputeDriver } from '../../src/domain/instances/compute.ts'
import { createInstances, type Instances, type InstancesDeps } from '../../src/domain/instances/create.ts'
import { newId } from '../../src/ids.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { testSecret } from './secret.ts'

/** What a control plane knows of instances, on a database that it may share with others. */
export interface TestControlPlane extends Instances {
  driver: FakeDriver
  machines: FakeMachines
  database: Database
  /** Ends it as a program ends. */
  close(): Promise<void>
  /** Ends it as kill -9 does: nothing is given back, and whatever it does next fails. */
  kill(): Promise<void>
}

export interface TestControlPlaneOptions
  extends Pick<FakeDriverOptions, 'bootMilliseconds' | 'capabilities' | 'addressOf' | 'hosts' | 'isBroken'>,
    Partial<
      Pick<
        InstancesDeps,
        | 'poolSize'
        | 'multiUser'
        | 'idle'
        | 'archive'
        | 'memoryNeeds'
        | 'backUpBeforeUpgrade'
        | 'limits'
        | 'timing'
      >
    > {
  /** Share them to let several control planes see the same machines. */
  machines?: FakeMachines
  specVersion?: string
  /** Lets runtime cost something; without it nobody is charged. */
  runtime?: { price: RuntimePrice; times?: Partial<RuntimeTimes>; heartbeatMilliseconds?: number }
  /** Wraps the driver, to interfere with its calls. */
  wrap?(driver: ComputeDriver): ComputeDriver
}

export async function startControlPlane(
  url: string,
  options: TestControlPlaneOptions = {},
): Promise<TestControlPlane> {
  const database = openDatabase({ url, connectionsMax: 8 })
  const listener = openListener({ url })
  const machines = options.machines ?? createFakeMachines()
  const { runtime } = options
  const link = createFakeLink({
    database,
    listener,
    onError: () => undefined,
    ...(runtime?.heartbeatMilliseconds ? { heartbeatMilliseconds: runtime.heartbeatMilliseconds } : {}),
  })
  const times: RuntimeTimes = { ...runtimeTimes, leaseSeconds: 900, ...runtime?.times }
  const prices = runtime && (await pricesOf(database, runtime.price))
  const driver = createFakeDriver({ ...options, machines, onMachine: link.onMachine })
  const current = options.wrap?.(driver) ?? driver
  const instances = createInstances({
    database,
    listener,
    secret: testSecret,
    log: openLog('silent'),
    nodeId: newId(),
    internalUrl: 'http://127.0.0.1:1',
    drivers: { current, get: async () => current, isolationOf: () => current.capabilities.isolation },
    plan: {
      specVersion: options.specVersion ?? 'test-1',
      linkUrl: 'ws://127.0.0.1:1/link',
      limits: { memoryMebibytes: 2048, cpus: 2, pids: 512 },
    },
    poolSize: options.poolSize ?? 0,
    multiUser: options.multiUser ?? false,
    addressOf: (slug) => `http://${slug}.localhost`,
    ...(options.idle ? { idle: options.idle } : {}),
    ...(options.archive ? { archive: options.archive } : {}),
    ...(options.memoryNeeds ? { memoryNeeds: options.memoryNeeds } : {}),
    ...(options.backUpBeforeUpgrade ? { backUpBeforeUpgrade: options.backUpBeforeUpgrade } : {}),
    ...(prices ? { launchCredits: createLaunchCredits({ prices, times }) } : {}),
    limits: {
      crashPauseSeconds: 0.01,
      retrySecondsMin: 0.05,
      observeMovingSeconds: 0.05,
      ...options.limits,
    },
    timing: { pollSeconds: 0.2, poolSeconds: 0.2, ...options.timing },
  })
  await instances.reconciler.start()
  const sweep: RuntimeSweep | undefined =
    prices &&
    createRuntimeSweep({
      database,
      listener,
      prices,
      times,
      settle: instances.reconciler.settle,
      onError: () => undefined,
      pollSeconds: 0.05,
    })
  sweep?.start()
  return {
    ...instances,
    driver,
    machines,
    database,
    close: async () => {
      await sweep?.stop()
      await instances.reconciler.stop()
      await instances.close()
      await link.close()
      await listener.close()
      await database.close()
    },
    kill: async () => {
      void link.close()
      await listener.close()
      await database.close()
      // Its timers would go on for as long as the test; their every write fails from here on.
      void sweep?.stop().catch(() => undefined)
      void instances.reconciler.stop().catch(() => undefined)
    },
  }
}

/** One price for every plan, as a list of its own that the usage rows can refer to. */
async function pricesOf(database: Database, price: RuntimePrice) {
  const list = { models: {}, plans: { free: price }, storagePerGibibyteMonth: 0, egressPerGibibyte: null }
  const { version } = await database.asSystem((trx) =>
    trx
      .insertInto('price_lists')
      .values({ effective_from: new Date(0), prices: JSON.stringify(list), created_by: null })
      .returning('version')
      .executeTakeFirstOrThrow(),
  )
  return { current: async () => ({ version, list }) }
}

/** A person with a personal organization, or as a member of an existing one. */
export async function createPerson(
  database: Database,
  member: { organizationId?: string; role?: Principal['role']; name?: string } = {},
): Promise<Principal> {
  const userId = newId()
  const organizationId = member.organizationId ?? newId()
  const role = member.role ?? 'owner'
  const email = `${userId}@example.com`
  const name = member.name ?? 'Ada Lovelace'
  await database.asSystem(async (trx) => {
    await trx.insertInto('users').values({ id: userId, email, name, image: null }).execute()
    if (!member.organizationId)
      await trx
        .insertInto('organizations')
        .values({ id: organizationId, name, slug: `o-${userId.slice(-12)}`, personal_user_id: userId })
        .execute()
    await trx
      .insertInto('members')
      .values({ organization_id: organizationId, user_id: userId, role, name, email })
      .execute()
  })
  return {
    kind: 'person',
    userId,
    organizationId,
    role,
    scopes,
    familyId: newId(),
    apiKeyId: null,
  } as Principal
}

/** Asks until the answer is right, and fails with the last one after the deadline. */
export async function eventually<T>(
  ask: () => Promise<T>,
  isRight: (answer: T) => boolean,
  secondsMax = 15,
): Promise<T> {
  const deadline = Date.now() + secondsMax * 1000
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(answer, null, 1)}`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** Takes every slot and instance away, so that the next test starts with an empty table and machines of its own. */
export async function clearInstances(database: Database): Promise<void> {
  await database.asSystem(async (trx) => {
    for (const table of ['sessions', 'slots', 'instances', 'nodes'] as const)
      await trx.deleteFrom(table).execute()
  })
}
