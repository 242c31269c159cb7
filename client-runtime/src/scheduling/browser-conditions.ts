// What a browser tells of its device. Runs in a page: workers are told neither of input nor of batteries.
import type { ConditionsSource, DeviceConditions } from "./conditions.js";

/** The parts of a page that are listened to; the platform's own unless given. */
export interface BrowserSurroundings {
  readonly document: Document;
  readonly navigator: Navigator;
  readonly window: EventTarget;
}

export interface BrowserConditionsOptions extends Partial<BrowserSurroundings> {
  /** A page that is shown and was touched less than so many milliseconds ago is in use. Default 10 000. */
  readonly inUseMs?: number;
}

/** Battery Status API, where it exists (Chromium). */
interface BatteryManager extends EventTarget {
  readonly charging: boolean;
  readonly level: number;
}

/** Network Information API, where it exists (Chromium). */
interface NetworkInformation extends EventTarget {
  readonly type?: string;
  readonly saveData?: boolean;
}

interface TellingNavigator extends Navigator {
  readonly getBattery?: () => Promise<BatteryManager>;
  readonly connection?: NetworkInformation;
}

const IN_USE_MS = 10_000;
const INPUT = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;

/**
 * Follows whether the page is in use, the battery and the network, as far as the browser tells: Chromium all of it,
 * Firefox and Safari input and being online. No browser tells of its energy saver; a low battery stands for it.
 */
export function browserConditions(options: BrowserConditionsOptions = {}): ConditionsSource & Disposable {
  const { document = globalThis.document, window = globalThis, inUseMs = IN_USE_MS } = options;
  const navigator: TellingNavigator = options.navigator ?? globalThis.navigator;
  const { connection } = navigator;
  const listeners = new Set<() => void>();
  const ended = new AbortController();
  const { signal } = ended;
  let battery: BatteryManager | undefined;
  let isTouched = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const touched = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isTouched = false;
      tell();
    }, inUseMs);
    if (isTouched) return;
    isTouched = true;
    tell();
  };
  for (const type of INPUT) window.addEventListener(type, touched, { signal, passive: true, capture: true });
  document.addEventListener("visibilitychange", tell, { signal });
  for (const type of ["online", "offline"]) window.addEventListener(type, tell, { signal });
  connection?.addEventListener("change", tell, { signal });
  navigator.getBattery?.().then(
    (manager) => {
      battery = manager;
      for (const type of ["chargingchange", "levelchange"]) manager.addEventListener(type, tell, { signal });
      tell();
    },
    // A policy of the page may forbid it: then nothing is known of the battery.
    () => {},
  );

  return {
    current(): DeviceConditions {
      const metered = connection?.saveData === true || connection?.type === "cellular";
      return {
        inUse: isTouched && !document.hidden,
        online: navigator.onLine,
        ...(connection === undefined ? {} : { metered }),
        ...(battery === undefined ? {} : { onBattery: !battery.charging, batteryLevel: battery.level }),
      };
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      ended.abort();
      listeners.clear();
    },
  };
}
