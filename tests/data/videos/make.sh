#!/usr/bin/env bash
# How the fixtures here were made (ffmpeg 5.1.9 with libx264 and libvpx). Frame N of "bars" shows its number: eight bars, the b-th white
# where bit b of N is set.
set -euo pipefail
cd "$(dirname "$0")"
make() { ffmpeg -nostdin -v error -y -bitexact "$@"; }
bars() { echo "color=black:s=64x48:r=25,format=gray,geq=lum='if(mod(floor(N/pow(2,floor(X/8))),2),235,16)',format=yuv420p,trim=end_frame=$1"; }
x264="-c:v libx264 -preset slow -crf 30 -bf 3 -g 12 -x264-params threads=1:scenecut=0"
# shellcheck disable=SC2086
{
  make -f lavfi -i "$(bars 40)" $x264 -movflags +faststart b-frames.mp4
  make -f lavfi -i "$(bars 40)" $x264:open-gop=1 open-gop.mkv
  make -f lavfi -i "$(bars 40),settb=1/25,setpts='N+floor(N/3)'" -fps_mode passthrough -enc_time_base 1/25 -video_track_timescale 100 $x264 varying-rate.mp4
  make -f lavfi -i "$(bars 40)" $x264 stream.h264
  make -f lavfi -i "$(bars 40)" $x264:open-gop=1 transport.ts
  # Pictures that fill more than a packet of the container, and keys that begin in the middle of one.
  make -f lavfi -i "color=black:s=64x48:r=25,format=gray,geq=lum='if(lt(Y,16),random(1)*255,if(mod(floor(N/pow(2,floor(X/8))),2),235,16))',format=yuv420p,trim=end_frame=40" \
    -c:v mpeg2video -q:v 6 -bf 2 -g 12 program.mpg
  make -ss 0.24 -i b-frames.mp4 -c copy edit-list.mp4
  make -f lavfi -i "$(bars 40)" -c:v mpeg4 -q:v 8 -bf 2 -g 12 b-frames.avi
  make -f lavfi -i "$(bars 40)" -c:v libvpx -b:v 100k -g 20 vp8.webm
  make -f lavfi -i "color=0xC83C28:s=50x38:r=10,trim=end_frame=2" -c:v libx264 -pix_fmt yuv420p odd-width.mp4
  make -f lavfi -i "color=red:s=64x32:r=10,trim=end_frame=3,drawbox=w=32:h=16:c=blue:t=fill" -c:v libx264 -pix_fmt yuv420p upright.mp4
  make -display_rotation 90 -i upright.mp4 -c copy rotated.mp4 2>/dev/null || make -i upright.mp4 -c copy -metadata:s:v rotate=90 rotated.mp4
  for space in bt709 bt601; do
    for range in tv pc; do
      matrix=$space
      [ $space = bt709 ] || matrix=smpte170m
      make -f lavfi -i "color=0xC83C28:s=32x32:r=10,format=gbrp,scale=out_color_matrix=$space:out_range=$range,format=yuv444p,trim=end_frame=1" \
        -c:v libx264 -qp 1 -colorspace $matrix -color_range $range "colour-$space-$range.mp4"
    done
  done
  make -f lavfi -i "sine=d=0.2:r=8000" -c:a aac -b:a 16k sound-only.mp4
  make -f lavfi -i "color=red:s=8x8,trim=end_frame=1" cover.png
  make -i sound-only.mp4 -i cover.png -map 0 -map 1 -c copy -disposition:v attached_pic cover.mp4
}
rm upright.mp4 cover.png
