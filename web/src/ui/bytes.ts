export function bytesText(bytes: number): string {
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KiB`
  if (bytes < 1024 ** 3) return `${Math.round(bytes / 1024 ** 2)} MiB`
  return `${(bytes / 1024 ** 3).toFixed(2)} GiB`
}
