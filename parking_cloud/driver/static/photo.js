// A photo as it is sent: no larger than is needed to read it, so that it goes over a slow line.
const LONGEST = 2000;
const QUALITY = 0.85;
const SMALL = 400_000;

export class NoPhoto extends Error {}

export async function shrunk(file) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => { throw new NoPhoto(); });
  const scale = Math.min(1, LONGEST / Math.max(image.width, image.height));
  if (scale === 1 && file.size < SMALL) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  const body = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", QUALITY); });
  if (!body) throw new NoPhoto();
  return body;
}
