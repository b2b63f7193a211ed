/** A clock that other processes do not move. In: nothing. Out: what this process has had of the processor. */

/** Milliseconds of the processor so far, those of all threads of this process. */
export function processorMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
