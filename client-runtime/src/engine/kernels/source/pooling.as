// Windows of images, channels last. Offsets count floats.
import { loadPart, storePart } from "./multiply";

/**
 * The largest value of each window and channel. `places` gets, as an integer in each float's place, where it lay: the
 * offset within the image of its pixel's channel.
 */
export function maxPool(images: i32, rows: i32, columns: i32, channels: i32, outRows: i32, outColumns: i32, poolRows: i32, poolColumns: i32, rowStride: i32, columnStride: i32, top: i32, left: i32, x: usize, y: usize, places: usize): void {
  x <<= 2;
  y <<= 2;
  places <<= 2;
  const lanes = i32x4(0, 1, 2, 3);
  for (let image = 0; image < images; image++) {
    for (let outRow = 0; outRow < outRows; outRow++) {
      const firstRow = outRow * rowStride - top;
      const fromRow = max(firstRow, 0);
      const toRow = min(firstRow + poolRows, rows);
      for (let outColumn = 0; outColumn < outColumns; outColumn++) {
        const firstColumn = outColumn * columnStride - left;
        const fromColumn = max(firstColumn, 0);
        const toColumn = min(firstColumn + poolColumns, columns);
        for (let channel = 0; channel < channels; channel += 4) {
          let most = f32x4.splat(-Infinity);
          let place = i32x4.splat(0);
          for (let row = fromRow; row < toRow; row++) {
            for (let column = fromColumn; column < toColumn; column++) {
              const at = (row * columns + column) * channels + channel;
              const value = loadPart(x + (<usize>at << 2), channels - channel);
              const larger = f32x4.gt(value, most);
              most = v128.bitselect(value, most, larger);
              place = v128.bitselect(i32x4.add(i32x4.splat(at), lanes), place, larger);
            }
          }
          storePart(y, most, channels - channel);
          storePart(places, place, channels - channel);
          const step = <usize>min(4, channels - channel) << 2;
          y += step;
          places += step;
        }
      }
    }
    x += <usize>(rows * columns * channels) << 2;
  }
}

/** Adds each output's gradient to its place in the input's, which is 0 before. */
export function maxPoolGradient(images: i32, size: i32, outSize: i32, dx: usize, dy: usize, places: usize): void {
  dx <<= 2;
  dy <<= 2;
  places <<= 2;
  for (let image = 0; image < images; image++) {
    for (let i = 0; i < outSize; i++) {
      const at = dx + (<usize>load<i32>(places) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(dy));
      places += 4;
      dy += 4;
    }
    dx += <usize>size << 2;
  }
}

/** Adds windows, which lie at `from` one after the other, to where they lie in an image. */
export function addWindows(outRows: i32, outColumns: i32, windowRows: i32, run: i32, rowStep: usize, columnStep: usize, imageRow: usize, from: usize, image: usize): void {
  from <<= 2;
  for (let row = 0; row < outRows; row++) {
    for (let column = 0; column < outColumns; column++) {
      for (let windowRow = 0; windowRow < windowRows; windowRow++) {
        let to = (image + <usize>row * rowStep + <usize>column * columnStep + <usize>windowRow * imageRow) << 2;
        let at = from;
        for (let left = run; left > 0; left -= 4) {
          storePart(to, f32x4.add(loadPart(to, left), loadPart(at, left)), left);
          to += 16;
          at += 16;
        }
        from += <usize>run << 2;
      }
    }
  }
}
