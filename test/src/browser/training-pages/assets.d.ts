/** A file that Vite publishes beside the page: its address. */
declare module "*?url" {
  const address: string;
  export default address;
}
