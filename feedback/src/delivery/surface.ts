// Where messages appear. The toast is one surface; a list in the app is another.
import type { MessageClass } from "./state.js";

/** A message as a surface shows it. */
export interface ShownMessage {
  readonly class: MessageClass;
  /** Plain text. */
  readonly title: string;
  /** HTML of a few inline elements, variables escaped; surfaces that show no HTML ask for "text". */
  readonly body: string;
  readonly language: string;
}

/** What the person did with it. */
export type MessageResponse = "opened" | "dismissed" | "ignored" | "opted-out";

/** Shows messages. */
export interface MessageSurface {
  /** How bodies have to be rendered for it. */
  readonly as: "html" | "text";
  /** Resolves when the person has answered, or the message has gone by itself. */
  show(message: ShownMessage): Promise<MessageResponse>;
}

/** A message in an inbox, until it is answered. */
export interface InboxMessage extends ShownMessage {
  answer(response: MessageResponse): void;
}

/** A surface that disturbs nobody: messages wait in a list that the app shows where it likes. */
export function inboxSurface(onChange: (messages: readonly InboxMessage[]) => void): MessageSurface {
  let messages: readonly InboxMessage[] = [];
  const change = (next: readonly InboxMessage[]): void => {
    messages = next;
    onChange(messages);
  };
  return {
    as: "text",
    show: (shown) =>
      new Promise((resolve) => {
        const message: InboxMessage = {
          ...shown,
          answer(response) {
            change(messages.filter((each) => each !== message));
            resolve(response);
          },
        };
        change([...messages, message]);
      }),
  };
}
