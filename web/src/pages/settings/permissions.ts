import type { Organization } from '../../api/types.ts'

/** Whether to offer changes to members, invitations and names. The server decides; this only spares dead buttons. */
export function mayAdministrate({ role }: Organization): boolean {
  return role === 'owner' || role === 'admin'
}
