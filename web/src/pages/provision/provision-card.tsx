import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { pricesQuery } from '../../api/credits.ts'
import { ApiError } from '../../api/errors.ts'
import { infoQuery } from '../../api/queries.ts'
import type { Info, Instance } from '../../api/types.ts'
import { useInstanceChange, useProvision } from '../../app/instance-actions.ts'
import { paths } from '../../paths.ts'
import { Atoll } from '../../ui/atoll.tsx'
import { Button, buttonClass } from '../../ui/button.tsx'
import { cn } from '../../ui/class-names.ts'
import { ErrorNotice, Notice } from '../../ui/notice.tsx'
import { linkClass } from '../enter/enter-frame.tsx'
import { heldWords } from './held-words.ts'
import { LaunchProgress } from './launch-progress.tsx'
import { launchSteps } from './launch-steps.ts'
import { priceText } from './price-text.ts'

/** From nothing, stopped or failed to running: one button, then the real steps with their times. */
export function ProvisionCard({ instance }: { instance: Instance | null }) {
  const info = useQuery(infoQuery)
  const provision = useProvision()
  const change = useInstanceChange(instance?.id ?? '')
  const held = heldWords(instance)
  const text = held ?? cardText(instance)
  const launching = instance?.status === 'provisioning'
  const finished = (steps: Instance['steps']) =>
    launchSteps(steps, 0).filter(({ state }) => state === 'done').length
  const start = () => (instance ? change.mutate('start') : provision.mutate())
  const mayStart = !instance || instance.actions.includes('start')
  return (
    <div className="flex h-full items-start justify-center overflow-y-auto px-4 py-[8vh]">
      <section
        aria-label="Your instance"
        className="w-full max-w-md animate-rise rounded-2xl border border-line bg-surface p-7 shadow-card sm:p-9"
      >
        {launching ? (
          <Atoll size={72} progress={finished(instance.steps)} className="mb-6" />
        ) : (
          <Atoll size={72} className="mb-6" />
        )}
        <h1 className="text-2xl">{text.title}</h1>
        <p className="mt-2 text-ink-soft">{text.lead}</p>
        <div className="mt-6 space-y-4">
          {instance?.reason && !held && (
            <Notice tone={instance.status === 'failed' ? 'bad' : 'info'}>{instance.reason.message}</Notice>
          )}
          {provision.error && <ErrorNotice error={provision.error} />}
          {lacksCredits(provision.error ?? change.error) && <CreditsLink label="Go to credits" />}
          {held && <CreditsLink label={held.button} />}
          {launching ? (
            <LaunchProgress steps={instance.steps} />
          ) : (
            mayStart &&
            !held && (
              <Button
                variant="primary"
                size="large"
                className="w-full"
                pending={provision.isPending || change.isPending}
                onClick={start}
              >
                {text.button}
              </Button>
            )
          )}
        </div>
        {instance?.status === 'failed' && (
          <p className="mt-4 text-center text-sm">
            <Link {...paths.instance()} className={linkClass}>
              Look at its logs
            </Link>
          </p>
        )}
        {!launching && <Price plan={instance?.plan ?? firstPlan} />}
        {info.data && <Isolation info={info.data} />}
      </section>
    </div>
  )
}

/** Instances begin in this plan. */
const firstPlan = 'free'

/** What it will cost, before anything does. */
function Price({ plan }: { plan: string }) {
  const prices = useQuery(pricesQuery)
  if (!prices.data) return null
  return (
    <p className="mt-4 text-center text-sm text-ink-faint">
      {priceText(prices.data.prices, plan)}{' '}
      <Link {...paths.prices()} className={linkClass}>
        All prices
      </Link>
    </p>
  )
}

function lacksCredits(error: unknown): boolean {
  return error instanceof ApiError && error.status === 402
}

function CreditsLink({ label }: { label: string }) {
  return (
    <Link {...paths.credits()} className={cn(buttonClass('primary', 'large'), 'w-full')}>
      {label}
    </Link>
  )
}

function Isolation({ info }: { info: Info }) {
  if (info.driver.isolation !== 'none') return null
  return (
    <p className="mt-6 border-t border-line pt-4 text-[0.8125rem] text-ink-faint">
      It runs as a process on this machine, which isolates nothing: it can do what the user that runs Reef can
      do.
    </p>
  )
}

function cardText(instance: Instance | null): { title: string; lead: string; button: string } {
  switch (instance?.status) {
    case undefined:
      return {
        title: 'Start your OpenClaw',
        lead: 'One click gives you a gateway of your own, with its own files and address.',
        button: 'Start my OpenClaw',
      }
    case 'provisioning':
      return {
        title: 'Starting your OpenClaw',
        lead: 'You can leave this page; it goes on by itself.',
        button: '',
      }
    case 'failed':
      return {
        title: 'Your OpenClaw did not start',
        lead: 'Its files are kept. Trying again is safe.',
        button: 'Try again',
      }
    case 'stopping':
      return { title: 'Stopping', lead: 'It finishes what it is doing first.', button: 'Start my OpenClaw' }
    case 'deleting':
      return { title: 'Deleting', lead: 'After this you can start a new one.', button: 'Start my OpenClaw' }
    default:
      return {
        title: 'Your OpenClaw is stopped',
        lead: 'Its files and conversations are kept. Starting brings it back as it was.',
        button: 'Start my OpenClaw',
      }
  }
}
