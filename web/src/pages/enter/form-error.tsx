import { ApiError } from '../../api/errors.ts'
import { ErrorNotice } from '../../ui/notice.tsx'

/** The error of a whole form; one that belongs to a field is shown there. */
export function FormError({ error, fields }: { error: unknown; fields: string[] }) {
  if (!error) return null
  if (error instanceof ApiError && error.field && fields.includes(error.field)) return null
  return <ErrorNotice error={error} />
}
