import type { Role } from '../../api/types.ts'

export const roles: { role: Role; label: string }[] = [
  { role: 'member', label: 'Member' },
  { role: 'admin', label: 'Admin' },
  { role: 'owner', label: 'Owner' },
]
