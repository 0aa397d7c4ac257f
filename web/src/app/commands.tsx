import { useNavigate } from '@tanstack/react-router'
import {
  ArchiveRestore,
  Building2,
  ChartColumnStacked,
  Coins,
  ExternalLink,
  Globe,
  KeyRound,
  LockKeyhole,
  LogOut,
  MessageSquarePlus,
  Moon,
  Play,
  RotateCw,
  Server,
  ShieldCheck,
  Square,
  SunMoon,
  Users,
} from 'lucide-react'
import type { ReactNode } from 'react'
import { logOut } from '../api/auth.ts'
import type { Me } from '../api/types.ts'
import { paths } from '../paths.ts'
import { useInstanceChange, useVisit } from './instance-actions.ts'
import { shortcutText } from './shortcuts.ts'
import { switchOrganization } from './switch-organization.ts'
import { isDark, setTheme } from './theme.ts'

export interface Command {
  id: string
  label: string
  icon: ReactNode
  hint?: string
  run: () => void
}

export function useCommands(me: Me): Command[] {
  const navigate = useNavigate()
  const change = useInstanceChange(me.instance?.id ?? '')
  const visit = useVisit(me.instance?.id ?? '')
  const actions = me.instance?.actions ?? []
  const size = 16
  const go: Command[] = [
    {
      id: 'new-chat',
      label: 'New chat',
      icon: <MessageSquarePlus size={size} />,
      hint: shortcutText('O', true),
      run: () => void navigate(paths.chat()),
    },
    {
      id: 'instance',
      label: 'Go to the instance',
      icon: <Server size={size} />,
      run: () => void navigate(paths.instance()),
    },
    {
      id: 'backups',
      label: 'Go to backups',
      icon: <ArchiveRestore size={size} />,
      run: () => void navigate(paths.backups()),
    },
    {
      id: 'secrets',
      label: 'Go to secrets',
      icon: <LockKeyhole size={size} />,
      run: () => void navigate(paths.secrets()),
    },
    {
      id: 'egress',
      label: 'Go to egress',
      icon: <ShieldCheck size={size} />,
      run: () => void navigate(paths.egress()),
    },
    {
      id: 'domains',
      label: 'Go to domains',
      icon: <Globe size={size} />,
      run: () => void navigate(paths.domains()),
    },
    {
      id: 'credits',
      label: 'Go to credits',
      icon: <Coins size={size} />,
      run: () => void navigate(paths.credits()),
    },
    {
      id: 'usage',
      label: 'Go to usage',
      icon: <ChartColumnStacked size={size} />,
      run: () => void navigate(paths.usage()),
    },
    {
      id: 'api-keys',
      label: 'Go to API keys',
      icon: <KeyRound size={size} />,
      run: () => void navigate(paths.apiKeys()),
    },
    {
      id: 'members',
      label: 'Go to members',
      icon: <Users size={size} />,
      run: () => void navigate(paths.members()),
    },
    {
      id: 'organization',
      label: 'Go to organization settings',
      icon: <Building2 size={size} />,
      run: () => void navigate(paths.organization()),
    },
  ]
  const act: Command[] = [
    { id: 'open', label: 'Open Control UI', icon: <ExternalLink size={size} />, run: () => visit.mutate() },
    {
      id: 'start',
      label: me.instance?.sleep ? 'Wake the instance' : 'Start the instance',
      icon: <Play size={size} />,
      run: () => change.mutate('start'),
    },
    {
      id: 'suspend',
      label: 'Suspend the instance',
      icon: <Moon size={size} />,
      run: () => change.mutate('suspend'),
    },
    {
      id: 'restart',
      label: 'Restart the instance',
      icon: <RotateCw size={size} />,
      run: () => change.mutate('restart'),
    },
    {
      id: 'stop',
      label: 'Stop the instance',
      icon: <Square size={size} />,
      run: () => change.mutate('stop'),
    },
  ].filter((command) => (actions as string[]).includes(command.id))
  const organizations: Command[] = me.organizations
    .filter((one) => one.id !== me.organization.id)
    .map((one) => ({
      id: `organization-${one.id}`,
      label: `Switch to ${one.name}`,
      icon: <Building2 size={size} />,
      run: () => void switchOrganization(one).then(() => navigate(paths.chat())),
    }))
  const rest: Command[] = [
    {
      id: 'theme',
      label: isDark() ? 'Use light colours' : 'Use dark colours',
      icon: <SunMoon size={size} />,
      run: () => setTheme(isDark() ? 'light' : 'dark'),
    },
    { id: 'log-out', label: 'Log out', icon: <LogOut size={size} />, run: () => void logOut() },
  ]
  return [...go, ...act, ...organizations, ...rest]
}

/** Every word typed must occur somewhere in the label. */
export function matchCommands(commands: Command[], text: string): Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return commands.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)))
}
