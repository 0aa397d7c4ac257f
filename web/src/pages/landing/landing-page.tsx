import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { MessageSquare, Plug, RefreshCw } from 'lucide-react'
import type { ReactNode } from 'react'
import { infoQuery } from '../../api/queries.ts'
import type { Info } from '../../api/types.ts'
import { paths } from '../../paths.ts'
import { Atoll, Wordmark } from '../../ui/atoll.tsx'
import { buttonClass } from '../../ui/button.tsx'

export function LandingPage() {
  const info = useQuery(infoQuery)
  return (
    <div className="relative flex min-h-full flex-col overflow-x-clip">
      <header className="mx-auto flex w-full max-w-5xl items-center justify-between px-5 py-5 sm:px-8">
        <Wordmark />
        <Link {...paths.logIn()} className={buttonClass('quiet')}>
          Log in
        </Link>
      </header>
      <main className="mx-auto grid w-full max-w-5xl flex-1 content-center gap-x-12 px-5 pb-16 sm:px-8 md:grid-cols-[1.15fr_1fr]">
        <div className="py-10 md:py-20">
          <h1 className="text-[2.5rem] leading-[1.06] tracking-[-0.035em] sm:text-[3.25rem]">
            Your own OpenClaw, one click away.
          </h1>
          <p className="mt-5 max-w-md text-lg text-ink-soft">
            Reef starts an OpenClaw gateway that is only yours, keeps it running, and gives you one place to
            talk to it.
          </p>
          <div className="mt-8 flex flex-wrap gap-3">
            <Link {...paths.signUp()} className={buttonClass('primary', 'large')}>
              Sign up
            </Link>
            <Link {...paths.logIn()} className={buttonClass('secondary', 'large')}>
              Log in
            </Link>
          </div>
        </div>
        <div className="relative hidden items-center justify-center md:flex">
          <Atoll size={340} className="text-primary" />
        </div>
        <ul className="grid gap-6 border-t border-line pt-8 sm:grid-cols-3 md:col-span-2">
          <Fact icon={<MessageSquare size={18} />} title="Talk to it here">
            Conversations stream, show every tool call, and stay in your instance; Reef stores none of them.
          </Fact>
          <Fact icon={<Plug size={18} />} title="Or from your own code">
            Any OpenAI client works: point it at /v1 with an API key. OpenClaw’s Control UI is one click away
            too.
          </Fact>
          <Fact icon={<RefreshCw size={18} />} title="It looks after itself">
            If OpenClaw stops, it is started again, with its history. Logs, memory and processor use are there
            to see.
          </Fact>
        </ul>
      </main>
      <footer className="mx-auto w-full max-w-5xl px-5 pb-6 text-[0.8125rem] text-ink-faint sm:px-8">
        {info.data ? installationText(info.data) : ' '}
      </footer>
    </div>
  )
}

function Fact({ icon, title, children }: { icon: ReactNode; title: string; children: ReactNode }) {
  return (
    <li>
      <div className="flex items-center gap-2 text-[0.9375rem] font-semibold">
        <span className="text-coral">{icon}</span>
        {title}
      </div>
      <p className="mt-1.5 text-sm text-ink-soft">{children}</p>
    </li>
  )
}

/** Nobody should learn only after signing up how this installation runs things. */
function installationText({ version, driver, demo, model }: Info): string {
  const isolation = {
    none: 'instances here run as processes on one machine, and nothing isolates them',
    container: 'every instance here runs in a container of its own',
    vm: 'every instance here runs on a virtual machine of its own',
  }[driver.isolation]
  const answers = demo ? 'a built-in demo model answers until a provider key is set' : `${model} answers`
  return `Reef ${version}: ${isolation}; ${answers}.`
}
