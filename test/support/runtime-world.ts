import { applyOperation } from '../../src/domain/credits/book.ts'
import type { Operation } from '../../src/domain/credits/operation.ts'
import { costOfRuntime } from '../../src/domain/credits/prices.ts'
import { nextBudgetLook, shareBudgets } from '../../src/domain/credits/runtime-budgets.ts'
import {
  burnOfInstance,
  type ChargeDecision,
  costOfFirstWindow,
  decideCharge,
  type RuntimeTimes,
  runtimeTimes,
} from '../../src/domain/credits/runtime-charge.ts'
import {
  countServed,
  enterState,
  newMeter,
  type RuntimeMeter,
  runtimeStateOf,
} from '../../src/domain/credits/runtime-meter.ts'
import {
  copyOf,
  generator,
  type Machine,
  type Message,
  newBudget,
  newMachine,
  newStore,
  notedMs,
  openBudget,
  organizationId,
  overlapsOf,
  type RuntimeHistory,
  type Store,
} from './runtime-world-parts.ts'

const times: RuntimeTimes = { ...runtimeTimes, leaseSeconds: 900 }
const price = { running: 2_000_000, suspended: 100_000, stored: 0 }
const reservationId = '00000000-0000-7000-8000-000000000002'
const stepMs = 250
const heartbeatMs = 5_000
const keepMs = 5_000
/** Counts are whole milliseconds, and a step passes between a boot's end and the note of it. */
const lossPerBootMs = 2 * stepMs

export function runtimeWorld(seed: number) {
  const random = generator(seed)
  const chance = (perHour: number) => random() < (perHour * stepMs) / 3600_000
  const between = (least: number, most: number) => least + Math.floor(random() * (most - least))
  const machines = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => newMachine(index))
  let now = 1_700_000_000_000
  let store = newStore()
  let messages: Message[] = []
  let planeUpAt = 0
  let databaseUpAt = 0
  let events = 0
  let modelSpent = 0
  let grants = 0
  /** From a minute of one instance to some hours of all. */
  const budget = random() < 0.5 ? newBudget(between(60_000, 6_000_000)) : null

  const planeIsUp = () => now >= planeUpAt && now >= databaseUpAt
  const inflow = () => store.book.balances.granted
  const coverMs = ({ id }: Pick<Machine, 'id'>) => {
    const ends = [store.window.coveredUntil, store.budgetUntil.get(id)].filter((end) => end != null)
    return ends.length === 0 ? null : Math.min(...ends) - now
  }
  const spendingOf = (id: string, sequence: number) => ({
    key: `runtime:${sequence}:${id}`,
    organizationId,
    userId: null,
    instanceId: id,
    agentId: null,
  })

  /** One transaction; a kill before its end leaves nothing of it, one after its end only takes the answer away. */
  const commit = (work: (draft: Store) => void): boolean => {
    const draft = copyOf(store)
    work(draft)
    const fate = random()
    if (fate < 0.0005) {
      planeUpAt = now + between(1_000, 20 * 60_000)
      events += 1
      return false
    }
    store = draft
    if (fate < 0.001) {
      planeUpAt = now + between(1_000, 20 * 60_000)
      events += 1
    }
    return true
  }

  const post = (draft: Store, operation: Operation): void => {
    const outcome = applyOperation(draft.book, operation, new Date(now))
    if (!outcome.done) throw new Error(`refused: ${operation.key}`)
    // The keys of other transactions are not needed again.
    draft.book.known.clear()
  }

  const charge = (): void => {
    let decision: ChargeDecision | undefined
    let over = new Set<string>()
    const done = commit((draft) => {
      const holds = machines.some((machine) => machine.held)
      const goesOn = machines.some((one) => !one.held && draft.meters.get(one.id)?.state !== 'stored')
      decision = decideCharge(
        {
          instances: machines.map(({ id, phase }) => ({
            instanceId: id,
            meter: draft.meters.get(id) as RuntimeMeter,
            price,
            starts: phase === 'booting',
          })),
          held: draft.book.reservations.get(reservationId)?.held ?? 0,
          available: draft.book.balances.available,
          onHold: holds && !goesOn,
          hasBudgets: budget !== null,
          now,
        },
        times,
      )
      over = chargeBudget(draft, decision)
      write(draft, decision)
    })
    if (!done || !decision) return
    if (decision.exhausted) for (const machine of machines) machine.held = machine.held || machine.wanted
    for (const machine of machines) machine.isOverBudget = machine.wanted && over.has(machine.id)
    if (over.size > 0) events += 1
  }

  /** As `chargeBudgets` does. Answers whom it holds. */
  const chargeBudget = (draft: Store, decision: ChargeDecision): Set<string> => {
    if (!budget) return new Set()
    const { sequence } = draft.window
    const { book, left, close } = openBudget(draft, budget, now)
    for (const { id } of machines) {
      const lines = decision.lines.filter(({ instanceId }) => instanceId === id)
      book.record({ ...spendingOf(id, sequence), amount: lines.reduce((sum, { cost }) => sum + cost, 0) })
    }
    const instances = machines.map((machine) => {
      const { id, phase, held, isOverBudget } = machine
      const starts = phase === 'booting'
      const meter = decision.meters.get(id) as RuntimeMeter
      const isUp = starts || meter.state === 'running' || meter.state === 'suspended'
      const burn = burnOfInstance({ meter, price, starts }, times)
      return { id, ownerUserId: id, burn, goesOn: isUp && !held && !isOverBudget && !decision.exhausted }
    })
    const shares = shareBudgets([{ scope: 'organization', subjectId: null, left: left() }], instances, times)
    for (const [id, { amount, coverSeconds }] of shares) {
      if (amount > 0) book.hold({ ...spendingOf(id, sequence + 1), amount, atLeast: 0 })
      if (amount === 0) draft.budgetUntil.delete(id)
      else draft.budgetUntil.set(id, Number.isFinite(coverSeconds) ? now + coverSeconds * 1000 : now)
    }
    const look = nextBudgetLook(shares, instances, now)
    if (look !== null) decision.chargeAt = Math.min(decision.chargeAt ?? look, look)
    close()
    const first = costOfFirstWindow(price, times)
    return new Set(
      machines
        .filter(({ id, isOverBudget }) => shares.get(id)?.isSpent || (isOverBudget && left() < first))
        .map(({ id }) => id),
    )
  }

  const write = (draft: Store, decision: ChargeDecision): void => {
    const sequence = draft.window.sequence + 1
    for (const line of decision.lines)
      draft.rows.push({
        id: line.instanceId,
        state: line.state,
        start: draft.chargedUntil.get(line.instanceId) ?? 0,
        end: now,
        ms: line.ms,
        cost: line.cost,
      })
    const shared = { organizationId, reservationId }
    if (decision.cost > 0 || decision.release)
      post(draft, {
        ...shared,
        kind: 'settle',
        key: `runtime:${sequence}:settle`,
        amount: decision.cost,
        close: decision.release,
      })
    if (decision.reserve > 0)
      post(draft, {
        ...shared,
        kind: 'reserve',
        key: `runtime:${sequence}:reserve`,
        purpose: 'runtime',
        amount: decision.reserve,
        atLeast: 0,
        expiresAt: new Date(now),
      })
    for (const [id, meter] of decision.meters) {
      draft.meters.set(id, meter)
      draft.chargedUntil.set(id, now)
    }
    const { balances } = draft.book
    const first = costOfFirstWindow(price, times)
    const mayResume =
      !decision.exhausted &&
      draft.window.holdInflow !== null &&
      balances.granted > draft.window.holdInflow &&
      balances.available >= first
    draft.window = {
      sequence,
      chargeAt: decision.chargeAt,
      coveredUntil: decision.coveredUntil,
      holdInflow: decision.exhausted ? balances.granted : mayResume ? null : draft.window.holdInflow,
    }
    if (mayResume) for (const machine of machines) machine.held = false
  }

  /** What the link does with a report that arrives. */
  const receive = ({ machine, sequence, ms }: Message): void => {
    if ((store.lastSequence.get(machine.id) ?? 0) < sequence)
      commit((draft) => {
        draft.lastSequence.set(machine.id, sequence)
        const meter = countServed(meterIn(draft, machine), { run: machine.id, ms }, now)
        put(draft, machine, meter)
      })
    const cover = coverMs(machine)
    const lease = cover !== null ? Math.min(900_000, Math.max(cover, 2.5 * heartbeatMs)) : 900_000
    machine.leaseUntil = now + lease
  }

  const meterIn = (draft: Store, machine: Machine) => draft.meters.get(machine.id) as RuntimeMeter
  const put = (draft: Store, machine: Machine, meter: RuntimeMeter): void => {
    const more = meter.runningMs - meterIn(draft, machine).runningMs
    draft.measured.set(machine.id, (draft.measured.get(machine.id) ?? 0) + more)
    draft.meters.set(machine.id, meter)
  }

  const send = (machine: Machine, isLast = false): void => {
    machine.sequence += 1
    const report = { machine, sequence: machine.sequence, ms: Math.floor(machine.counted) }
    const fate = random()
    machine.kept = machine.counted
    // Lost on the way: its link breaks, and the next one carries the same.
    if (fate < 0.05 && !isLast) return
    messages.push({ ...report, arrivesAt: now + between(0, fate < 0.1 && !isLast ? 60_000 : 300) })
    if (fate > 0.95) messages.push({ ...report, arrivesAt: now + between(0, 30_000) })
  }

  /** The reconciler and the drivers, simplified: what is wanted is brought about, and what is noted. */
  const reconcile = (machine: Machine): void => {
    const mayRun = machine.wanted && !machine.held && !machine.isOverBudget
    if (!mayRun && ['booting', 'serving', 'suspended'].includes(machine.phase)) end(machine)
    if (mayRun && machine.phase === 'off' && !machine.asleep) {
      machine.phase = 'booting'
      machine.phaseUntil = now + between(2_000, 20_000)
      machine.lossMax += lossPerBootMs
      // The supervisor's first words, with all that it has kept.
      machine.sequence += 1
      messages.push({
        machine,
        sequence: machine.sequence,
        ms: Math.floor(machine.counted),
        arrivesAt: now + 200,
      })
    }
    if (mayRun && machine.asleep && machine.phase === 'serving') machine.phase = 'suspended'
    if (mayRun && !machine.asleep && machine.phase === 'suspended') wakeUp(machine)
    note(machine)
  }

  const wakeUp = (machine: Machine): void => {
    machine.phase = 'serving'
    // As the supervisor does, which saw the clock jump.
    machine.leaseUntil = Math.max(machine.leaseUntil, now + 15_000)
  }

  const end = (machine: Machine): void => {
    machine.phaseUntil =
      now + (machine.phase === 'booting' ? 1_000 : between(500, random() < 0.3 ? 20_000 : 3_000))
    machine.phase = 'ending'
  }

  const note = (machine: Machine): void => {
    const statuses = {
      off: 'stopped',
      booting: 'provisioning',
      serving: 'running',
      ending: 'stopping',
      suspended: 'suspended',
    } as const
    const phases = {
      off: 'exited',
      booting: 'starting',
      serving: 'running',
      ending: 'running',
      suspended: 'suspended',
    } as const
    const before = store.meters.get(machine.id)?.state ?? null
    const next = runtimeStateOf(statuses[machine.phase], phases[machine.phase], before)
    const state = next === 'ended' ? null : next
    if (state === before) return
    const noted = commit((draft) => {
      const baseline = { run: machine.id, ms: Math.floor(machine.counted) }
      put(draft, machine, enterState(meterIn(draft, machine), state, baseline, now))
      draft.notes.push({ id: machine.id, state, at: now })
      const soon = now + (state === 'running' || state === null ? 0 : 2_000)
      draft.window.chargeAt = Math.min(draft.window.chargeAt ?? soon, soon)
    })
    // Woken by a control plane that died before it could write so: until the next one it is taken to sleep.
    if (!noted && before === 'suspended') machine.lossMax += planeUpAt - now + 1_000
  }

  const run = (machine: Machine): void => {
    const serves =
      machine.phase === 'serving' || (machine.phase === 'ending' && machine.reportedAtEnd === false)
    if (serves) {
      machine.served += stepMs
      // Nobody has ever heard of it: a control plane died between its launch and its first words.
      if (store.meters.get(machine.id)?.run === null) machine.lossMax += stepMs
      machine.counted += stepMs
      if (machine.counted - machine.kept >= keepMs) machine.kept = machine.counted
      if (now >= machine.beatAt) {
        machine.beatAt = now + heartbeatMs
        if (planeIsUp()) send(machine)
      }
      if (now > machine.leaseUntil && machine.phase === 'serving') {
        events += 1
        end(machine)
      }
    }
    if (now < machine.phaseUntil) return
    if (machine.phase === 'booting') {
      machine.phase = 'serving'
      machine.reportedAtEnd = false
      machine.leaseUntil = now + 60_000
    } else if (machine.phase === 'ending') {
      machine.phase = 'off'
      machine.reportedAtEnd = true
      machine.kept = machine.counted
      if (planeIsUp()) send(machine, true)
    }
  }

  const happen = (machine: Machine): void => {
    if (chance(4)) {
      machine.wanted = !machine.wanted && mayLaunch(machine)
      // Whoever may start it need not wait.
      if (machine.wanted) machine.held = machine.isOverBudget = false
    }
    if (chance(6) && machine.wanted) machine.asleep = !machine.asleep || !mayLaunch(machine)
    if (chance(2) && machine.phase === 'serving') {
      // kill -9 of the supervisor: what it had not kept is lost, and the machine boots again.
      machine.lossMax += machine.counted - machine.kept
      machine.counted = machine.kept
      machine.phase = 'off'
      events += 1
    }
  }

  const mayLaunch = (machine: Machine): boolean => {
    const cover = Math.max(times.firstSeconds, (coverMs(machine) ?? 0) / 1000)
    events += 1
    const first = costOfFirstWindow(price, times)
    if (budget && openBudget(store, budget, now).left() < first) return false
    return (
      store.book.balances.available >=
      costOfRuntime(price, 'running', Math.ceil((cover + times.drainSeconds) * 1000))
    )
  }

  const grant = (amount: number): void => {
    grants += 1
    events += 1
    commit((draft) => {
      post(draft, { organizationId, kind: 'grant', key: `grant:${grants}`, amount })
      draft.window.chargeAt = now
    })
  }

  /** The rest of the credits goes to models, which leaves runtime with what it holds. */
  const spendOnModels = (): void => {
    const left = budget ? Math.max(0, openBudget(store, budget, now).left()) : Number.POSITIVE_INFINITY
    const amount = Math.floor(Math.min(store.book.balances.available, left) * random())
    if (amount === 0) return
    const key = `call:${events}:${now}`
    events += 1
    if (
      commit((draft) => {
        if (budget) {
          const { book, close } = openBudget(draft, budget, now)
          book.record({ ...spendingOf('models', 0), key, amount })
          close()
        }
        post(draft, {
          organizationId,
          kind: 'settle',
          key,
          reservationId: organizationId,
          amount,
          close: true,
        })
      })
    )
      modelSpent += amount
  }

  const step = (): void => {
    now += stepMs
    for (const machine of machines) run(machine)
    if (chance(1)) databaseUpAt = now + between(500, 5_000)
    // Its connections end with it.
    if (now < planeUpAt) messages = []
    if (!planeIsUp()) return
    const arrived = messages.filter(({ arrivesAt }) => arrivesAt <= now)
    messages = messages.filter(({ arrivesAt }) => arrivesAt > now)
    for (const message of arrived) if (planeIsUp()) receive(message)
    for (const machine of machines) {
      if (planeIsUp()) happen(machine)
      if (planeIsUp()) reconcile(machine)
    }
    if (planeIsUp() && chance(3)) grant(between(1, 800_000))
    if (planeIsUp() && chance(5)) spendOnModels()
    if (planeIsUp() && store.window.chargeAt !== null && store.window.chargeAt <= now) charge()
    if (planeIsUp() && store.window.holdInflow !== null && inflow() > store.window.holdInflow) charge()
  }

  const live = (ms: number): RuntimeHistory => {
    for (const machine of machines) store.meters.set(machine.id, newMeter(now))
    grant(between(100_000, 3_000_000))
    const until = now + ms
    while (now < until) step()
    // Everything comes to rest, and every report arrives in the end.
    planeUpAt = databaseUpAt = 0
    for (const machine of machines) machine.wanted = false
    for (let steps = 0; steps < 1_000; steps++) restStep()
    for (const machine of machines) {
      machine.sequence += 1
      receive({ machine, sequence: machine.sequence, ms: Math.floor(machine.counted), arrivesAt: now })
    }
    charge()
    charge()
    return outcome()
  }

  const restStep = (): void => {
    now += stepMs
    planeUpAt = 0
    for (const machine of machines) {
      run(machine)
      reconcile(machine)
    }
    if (store.window.chargeAt !== null && store.window.chargeAt <= now) charge()
  }

  const outcome = (): RuntimeHistory => {
    const { balances } = store.book
    const sum = (numbers: number[]) => numbers.reduce((total, one) => total + one, 0)
    const left = sum(
      [...store.meters.values()].map((meter) => meter.runningMs + meter.suspendedMs + meter.storedMs),
    )
    const ofMachines = sum(machines.map(({ id }) => store.measured.get(id) ?? 0))
    return {
      events,
      usageMs: sum(store.rows.map((row) => row.ms)) + left,
      measuredMs: ofMachines + notedMs(store.notes, store.chargedUntil),
      usageCost: sum(store.rows.map((row) => row.cost)),
      ledgerSpent: balances.spent - modelSpent,
      sources: balances.granted + balances.purchased + balances.written_off,
      uses: balances.available + balances.reserved + balances.spent + balances.frozen + balances.refunded,
      overlaps: overlapsOf(store.rows),
      instances: machines.map((machine) => ({
        measured: store.measured.get(machine.id) ?? 0,
        served: machine.served,
        lossMax: machine.lossMax,
      })),
      writtenOff: balances.written_off,
      costOfOneSecond: costOfRuntime(price, 'running', 1_000) * machines.length,
      heldAtEnd: store.book.reservations.get(reservationId)?.held ?? 0,
      budget: budget && {
        limit: budget.limit_amount,
        spent: store.counters[0]?.spent ?? 0,
        held: store.counters[0]?.reserved ?? 0,
      },
    }
  }

  return { live }
}
