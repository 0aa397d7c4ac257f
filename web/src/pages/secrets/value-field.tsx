import { useState } from 'react'
import { TextAreaField, TextField } from '../../ui/field.tsx'

interface ValueFieldProps {
  label: string
  value: string
  onChange: (value: string) => void
  error: string | undefined
}

/** A field of one line would drop the line ends of a key file; both show dots only. */
export function ValueField({ label, value, onChange, error }: ValueFieldProps) {
  const [isLong, setLong] = useState(false)
  const shared = {
    label,
    required: true,
    autoComplete: 'new-password',
    spellCheck: false,
    value,
    error,
    hint: (
      <>
        Not shown again, at most 16 KiB.{' '}
        <button
          type="button"
          className="font-medium text-lagoon hover:underline"
          onClick={() => setLong(!isLong)}
        >
          {isLong ? 'One line only' : 'Several lines'}
        </button>
      </>
    ),
  }
  return isLong ? (
    <TextAreaField
      {...shared}
      rows={5}
      className="font-mono [-webkit-text-security:disc]"
      onChange={(event) => onChange(event.target.value)}
    />
  ) : (
    <TextField
      {...shared}
      type="password"
      className="font-mono"
      onChange={(event) => onChange(event.target.value)}
    />
  )
}
